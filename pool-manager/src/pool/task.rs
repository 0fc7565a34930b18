//! The task that owns a pool.

use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use thaw_vmm::EndWatch;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{Id, JoinSet},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    handle::{Command, FreshClone, LeasedCount, PoolSetup},
    jobs::{self, PausedClone, ReadyShell, Step},
};
use crate::{
    LeaseError, PoolInfo, PoolSettings, StartKind,
    budget::{Member, NoRoom, Report},
    policy::{Action, Policy, Refusal, Rules, VmmKey, WaiterKey},
    template::LoadedTemplate,
};

/// A caller that waits.
struct Caller {
    reply: oneshot::Sender<Result<FreshClone, LeaseError>>,
    since: Instant,
    within: Duration,
}

pub(super) struct PoolTask {
    setup: PoolSetup,
    template: Arc<LoadedTemplate>,
    policy: Policy,
    commands: mpsc::Receiver<Command>,
    begin: Instant,
    shells: HashMap<VmmKey, ReadyShell>,
    clones: HashMap<VmmKey, PausedClone>,
    callers: HashMap<WaiterKey, Caller>,
    jobs: JoinSet<Step>,
    /// Whose job it is; one entry for each job.
    job_keys: HashMap<Id, VmmKey>,
    /// Wakes the task when a VMM ends; one for each that was spawned and has not ended.
    ends: JoinSet<()>,
    freed: watch::Receiver<u64>,
    member: Member,
    no_room: Option<NoRoom>,
    leased: Arc<AtomicU32>,
}

/// What woke the task.
enum Event {
    Command(Option<Command>),
    Job(Id, Step),
    Freed,
    Wanted,
    /// A VMM ended, or it is time to look.
    Look,
}

impl PoolTask {
    pub(super) fn new(
        setup: PoolSetup,
        template: Arc<LoadedTemplate>,
        settings: PoolSettings,
        commands: mpsc::Receiver<Command>,
        leased: Arc<AtomicU32>,
    ) -> Self {
        let rules = Rules {
            spare_shells: setup.limits.spare_shells,
            waiting_limit: setup.limits.waiting,
            refills_at_once: setup.limits.starts_at_once.div_ceil(2),
        };
        let member = setup.budget.join(template.manifest.shape.memory_mib);
        Self {
            policy: Policy::new(rules, settings, Duration::ZERO),
            template,
            commands,
            begin: Instant::now(),
            shells: HashMap::new(),
            clones: HashMap::new(),
            callers: HashMap::new(),
            jobs: JoinSet::new(),
            job_keys: HashMap::new(),
            ends: JoinSet::new(),
            freed: setup.budget.freed(),
            member,
            no_room: None,
            leased,
            setup,
        }
    }

    /// Runs until `stop`, then turns the callers away and ends what is not leased.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while let Some(event) = stop.run_until_cancelled(self.next_event()).await {
            match event {
                Event::Command(None) => break,
                Event::Command(Some(command)) => self.obey(command),
                Event::Job(id, step) => {
                    if let Some(key) = self.job_keys.remove(&id) {
                        self.step_done(key, step);
                    }
                }
                Event::Freed => self.policy.room(),
                Event::Wanted => self.make_room(),
                Event::Look => {}
            }
            self.carry_on();
        }
        for (_, caller) in self.callers.drain() {
            // Whoever has left is not told.
            let _ = caller.reply.send(Err(LeaseError::ShuttingDown));
        }
        // A step that is only told to end may still start a VMM; whoever waits for this waits for that, too.
        self.jobs.shutdown().await;
    }

    async fn next_event(&mut self) -> Event {
        let wake = self.policy.next_wake(self.now()).map(|at| self.begin + at);
        let event = async {
            tokio::select! {
                biased;
                Some(done) = self.jobs.join_next_with_id() => match done {
                    Ok((id, step)) => Event::Job(id, step),
                    // It panicked, and its VMM is gone with it.
                    Err(error) => Event::Job(error.id(), Step::Failed(error.to_string())),
                },
                Some(_) = self.ends.join_next() => Event::Look,
                command = self.commands.recv() => Event::Command(command),
                Ok(()) = self.freed.changed() => Event::Freed,
                () = self.member.asked() => Event::Wanted,
                else => pending().await,
            }
        };
        match wake {
            Some(at) => timeout_at(at, event).await.unwrap_or(Event::Look),
            None => event.await,
        }
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Lease { within, reply } => self.take_in(within, reply),
            Command::TakeShell(reply) => {
                self.forget_gone();
                let key = self.policy.take_shell(self.now());
                let shell = key.and_then(|key| self.shells.remove(&key));
                // Whoever asked and left lets the shell end.
                let _ = reply.send(shell);
            }
            Command::SetBounds(settings) => self.policy.set_bounds(settings),
            Command::Info(reply) => {
                // Whoever asked and left is not told.
                let _ = reply.send(self.info());
            }
        }
    }

    fn take_in(
        &mut self,
        within: Duration,
        reply: oneshot::Sender<Result<FreshClone, LeaseError>>,
    ) {
        self.forget_gone();
        let now = self.now();
        match self.policy.lease_wanted(now, now.saturating_add(within)) {
            Ok(waiter) => {
                let since = Instant::now();
                let caller = Caller {
                    reply,
                    since,
                    within,
                };
                self.callers.insert(waiter, caller);
            }
            Err(refusal) => {
                let _ = reply.send(Err(self.refusal(refusal, within)));
            }
        }
    }

    fn make_room(&mut self) {
        let vmms = self.member.answer();
        self.policy.yield_room(self.now(), vmms);
    }

    fn step_done(&mut self, key: VmmKey, step: Step) {
        let now = self.now();
        match step {
            Step::Spawned(ready) => {
                self.watch(ready.shell.end());
                self.shells.insert(key, ready);
                self.policy.shell_ready(key);
            }
            Step::Restored(clone) => {
                self.clones.insert(key, clone);
                self.policy.restored(key);
            }
            Step::Proven(clone) => {
                self.clones.insert(key, clone);
                self.policy.proven(now, key);
            }
            Step::Failed(error) => {
                tracing::warn!(template = %self.template.manifest.id, error, "a clone could not be started");
                self.policy.start_failed(now, key, error);
                self.turn_away_if_condemned();
            }
        }
    }

    /// No clone of a bad template is to be waited for.
    fn turn_away_if_condemned(&mut self) {
        let Some(bad) = self.template.condemned() else {
            return;
        };
        for (waiter, caller) in self.callers.drain() {
            self.policy.cancelled(waiter);
            let _ = caller.reply.send(Err(LeaseError::from(bad.clone())));
        }
    }

    fn watch(&mut self, mut end: EndWatch) {
        self.ends.spawn(async move {
            end.wait().await;
        });
    }

    /// Tells the policy who is gone: VMMs that ended, callers that left.
    fn forget_gone(&mut self) {
        let now = self.now();
        let shells = self
            .shells
            .iter()
            .map(|(key, ready)| (*key, ready.shell.end()));
        let clones = self
            .clones
            .iter()
            .map(|(key, clone)| (*key, clone.machine.end()));
        let dead: Vec<_> = shells
            .chain(clones)
            .filter_map(|(key, end)| Some((key, end.now()?)))
            .collect();
        for (key, end) in dead {
            tracing::warn!(template = %self.template.manifest.id, "a waiting VMM ended: {end}");
            self.setup.counters.crashes.fetch_add(1, Ordering::Relaxed);
            self.shells.remove(&key);
            self.clones.remove(&key);
            self.policy.died(now, key);
        }
        let policy = &mut self.policy;
        self.callers.retain(|waiter, caller| {
            let waits = !caller.reply.is_closed();
            if !waits {
                policy.cancelled(*waiter);
            }
            waits
        });
    }

    /// Decides and acts until there is nothing left to do at once.
    fn carry_on(&mut self) {
        self.forget_gone();
        loop {
            let actions = self.policy.decide(self.now());
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.act(action);
            }
        }
        let memory_mib = self.template.manifest.shape.memory_mib;
        self.member.report(Report {
            spares: self.policy.spares(self.now(), memory_mib),
            needs: self.policy.unmet(),
        });
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::SpawnShell { key, urgent } => self.spawn_shell(key, urgent),
            Action::Restore { key, urgent } => {
                if let Some(ready) = self.shells.remove(&key) {
                    let template = Arc::clone(&self.template);
                    let job = jobs::restore(self.setup.clone(), template, ready, urgent);
                    self.begin_job(key, job);
                }
            }
            Action::Prove { key } => {
                if let Some(clone) = self.clones.remove(&key) {
                    let template = Arc::clone(&self.template);
                    let job = jobs::take_through(self.setup.clone(), template, clone);
                    self.begin_job(key, job);
                }
            }
            Action::HandOut {
                key,
                waiter,
                was_parked,
            } => self.hand_out(key, waiter, was_parked),
            Action::Refuse { waiter, refusal } => {
                if let Some(caller) = self.callers.remove(&waiter) {
                    let _ = caller.reply.send(Err(self.refusal(refusal, caller.within)));
                }
            }
            Action::Discard { key } => {
                self.shells.remove(&key);
                self.clones.remove(&key);
            }
        }
    }

    fn begin_job(&mut self, key: VmmKey, job: impl Future<Output = Step> + Send + 'static) {
        let id = self.jobs.spawn(job).id();
        self.job_keys.insert(id, key);
    }

    fn spawn_shell(&mut self, key: VmmKey, urgent: bool) {
        match self.member.take(urgent) {
            Ok(slot) => {
                let template = Arc::clone(&self.template);
                let job = jobs::spawn(self.setup.clone(), template, slot, urgent);
                self.begin_job(key, job);
            }
            Err(no_room) => {
                self.no_room = Some(no_room);
                self.policy.no_room(key);
            }
        }
    }

    fn hand_out(&mut self, key: VmmKey, waiter: WaiterKey, was_parked: bool) {
        let (Some(clone), Some(caller)) = (self.clones.remove(&key), self.callers.remove(&waiter))
        else {
            return;
        };
        let (start, restore) = if was_parked {
            (StartKind::Parked, Duration::ZERO)
        } else {
            // A restore that began before the caller came costs it only what was left of it.
            (
                StartKind::Restored,
                clone.restore.min(caller.since.elapsed()),
            )
        };
        let fresh = FreshClone {
            machine: clone.machine,
            slot: clone.slot,
            memory: clone.memory,
            template: Arc::clone(&self.template),
            start,
            restore,
            counted: LeasedCount::new(&self.leased),
        };
        // A caller that has left in between lets the clone end.
        let _ = caller.reply.send(Ok(fresh));
    }

    fn refusal(&self, refusal: Refusal, within: Duration) -> LeaseError {
        match (refusal, self.no_room) {
            (
                Refusal::Full {
                    waiting,
                    retry_after,
                },
                _,
            ) => LeaseError::Full {
                waiting,
                retry_after,
            },
            (Refusal::NoRoom, Some(NoRoom { what, limit })) => LeaseError::NodeFull { what, limit },
            (Refusal::TimedOut | Refusal::NoRoom, _) => LeaseError::TimedOut(within),
            (
                Refusal::BackingOff {
                    last_error,
                    retry_after,
                },
                _,
            ) => LeaseError::BackingOff {
                last_error,
                retry_after,
            },
        }
    }

    fn info(&self) -> PoolInfo {
        PoolInfo {
            template: self.template.manifest.id.clone(),
            settings: self.policy.bounds(),
            target: self.policy.target(),
            shells: self.policy.shells(),
            starting: self.policy.starting(),
            parked: self.policy.parked(),
            leased: self.leased.load(Ordering::Relaxed),
            waiting: self.policy.waiting(),
            failures: self.policy.failures(),
            last_error: self.policy.last_error().map(str::to_owned),
        }
    }
}
