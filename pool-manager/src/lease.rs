//! A leased clone, from its handing out to its end.
//!
//! ```text
//! asleep ──first exec: wake + resume──► awake ──exec──► awake ──pause──► paused ──resume──► awake …
//!    any state ──release, or what makes it unfit──► gone: the machine is killed, every exec ends
//!    one that stays ──the daemon ends──► let go: the machine runs on, every exec ends
//! ```

mod start;

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use thaw_image::ImageConfig;
use thaw_lazymem::ServedClone;
use thaw_vmm::{EndKind, EndWatch, Machine, VmmEnd};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use start::Started;

use crate::{
    ExecError, LeaseId, StartKind, VmError,
    budget::Slot,
    counters::Counters,
    error::chain,
    pause::Life,
    pool::{FreshClone, LeasedCount},
    run::LAST_WORDS,
    template::LoadedTemplate,
};

/// Programs that run in one VM at once; the next one is refused. The agent's own bound is 256.
const EXECS_AT_ONCE: usize = 128;

/// A clone that was handed out.
#[derive(Debug)]
pub(crate) struct Leased {
    id: LeaseId,
    config: ImageConfig,
    /// What it was restored from by this daemon.
    template: Option<Arc<LoadedTemplate>>,
    machine: Mutex<Option<Held>>,
    /// Cancelled when the machine is taken away.
    gone: CancellationToken,
    end: EndWatch,
    /// What the clone does; held while that changes.
    life: tokio::sync::Mutex<Life>,
    /// Whether its CPUs run, for those who count its time.
    runs: watch::Sender<bool>,
    execs: Arc<Semaphore>,
    /// It outlives the daemon.
    stays: AtomicBool,
    /// Who serves its pages; none when it needs nobody.
    memory: Option<Arc<ServedClone>>,
    /// Why it was ended, where that was not wished for.
    reason: OnceLock<String>,
    counters: Arc<Counters>,
    teardown: TaskTracker,
}

#[derive(Debug)]
struct Held {
    machine: Arc<dyn Machine>,
    slot: Slot,
    /// None for what came out of no pool.
    counted: Option<LeasedCount>,
}

/// A machine that stays: one that was booted from its own disk, or adopted.
#[derive(Debug)]
pub(crate) struct Staying {
    pub(crate) machine: Box<dyn Machine>,
    pub(crate) slot: Slot,
    pub(crate) config: ImageConfig,
    pub(crate) life: Life,
}

impl Leased {
    pub(crate) fn new(
        clone: FreshClone,
        counters: Arc<Counters>,
        teardown: TaskTracker,
    ) -> (Arc<Self>, StartKind) {
        let held = Held {
            machine: Arc::from(clone.machine),
            slot: clone.slot,
            counted: Some(clone.counted),
        };
        let config = clone.template.manifest.config.clone();
        let template = Some(clone.template);
        let mut leased = Self::holding(held, config, template, Life::Asleep, counters, teardown);
        leased.memory = clone.memory;
        (Arc::new(leased), clone.start)
    }

    pub(crate) fn staying(
        staying: Staying,
        counters: Arc<Counters>,
        teardown: TaskTracker,
    ) -> Arc<Self> {
        let held = Held {
            machine: Arc::from(staying.machine),
            slot: staying.slot,
            counted: None,
        };
        let leased = Self::holding(held, staying.config, None, staying.life, counters, teardown);
        leased.stay();
        Arc::new(leased)
    }

    fn holding(
        held: Held,
        config: ImageConfig,
        template: Option<Arc<LoadedTemplate>>,
        life: Life,
        counters: Arc<Counters>,
        teardown: TaskTracker,
    ) -> Self {
        Self {
            id: LeaseId(held.machine.id().as_str().to_owned()),
            config,
            template,
            end: held.machine.end(),
            machine: Mutex::new(Some(held)),
            gone: CancellationToken::new(),
            life: tokio::sync::Mutex::new(life),
            runs: watch::Sender::new(life.runs()),
            execs: Arc::new(Semaphore::new(EXECS_AT_ONCE)),
            stays: AtomicBool::new(false),
            memory: None,
            reason: OnceLock::new(),
            counters,
            teardown,
        }
    }

    pub(crate) fn id(&self) -> &LeaseId {
        &self.id
    }

    /// What the image says of how to run it.
    pub(crate) fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// The template that this daemon restored it from; none for a VM that was booted or adopted.
    pub(crate) fn template(&self) -> Option<&Arc<LoadedTemplate>> {
        self.template.as_ref()
    }

    /// The machine, until it is taken away. Whoever holds it for long holds up a release.
    pub(crate) fn machine(&self) -> Option<Arc<dyn Machine>> {
        self.lock().as_ref().map(|held| Arc::clone(&held.machine))
    }

    /// Tells when and how the VMM ended.
    pub(crate) fn end(&self) -> EndWatch {
        self.end.clone()
    }

    /// From now on the machine outlives this lease and the daemon, until it is ended.
    pub(crate) fn stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
        if let Some(machine) = self.machine() {
            machine.outlive();
        }
    }

    pub(crate) fn stays(&self) -> bool {
        self.stays.load(Ordering::Relaxed)
    }

    /// Takes the machine away and leaves it running; every exec ends.
    pub(crate) fn let_go(&self) {
        self.gone.cancel();
        drop(self.lock().take());
    }

    /// What the clone does, which nobody changes until this is dropped.
    pub(crate) async fn life(&self) -> tokio::sync::MutexGuard<'_, Life> {
        self.life.lock().await
    }

    pub(crate) fn set_life(&self, held: &mut Life, life: Life) {
        *held = life;
        self.runs.send_replace(life.runs());
    }

    /// Tells whether the CPUs run.
    pub(crate) fn runs(&self) -> watch::Receiver<bool> {
        self.runs.subscribe()
    }

    /// Waits for something, but no longer than for the machine to be taken away.
    pub(crate) async fn until_gone<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.gone.run_until_cancelled(work).await
    }

    /// Carries something out in a task, so that a caller who leaves does not leave it half-done.
    pub(crate) async fn to_its_end<T, E>(
        &self,
        attempt: &'static str,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<VmError> + Send + 'static,
    {
        let lost = |error| VmError::Control {
            id: self.id.clone(),
            attempt,
            source: Box::new(error),
        };
        self.teardown.spawn(work).await.map_err(lost)?
    }

    /// Who serves its pages; none when it needs nobody.
    pub(crate) fn memory(&self) -> Option<&Arc<ServedClone>> {
        self.memory.as_ref()
    }

    /// Waits until the clone needs nobody for its pages: only then a VM, a restore or a fork is promised.
    ///
    /// # Errors
    /// When the clone had to be ended.
    pub(crate) async fn independent(&self) -> Result<(), ExecError> {
        let Some(memory) = &self.memory else {
            return Ok(());
        };
        tokio::select! {
            biased;
            () = self.gone() => Err(self.lost("it was released")),
            settled = memory.independent() => settled.map_err(|error| {
                ExecError::Lost(format!("its memory could not be filled: {}", chain(&error)))
            }),
        }
    }

    /// Takes the machine away for a reason that whoever uses it is told.
    pub(crate) fn end_because(&self, reason: String) {
        // The first reason stays.
        let _ = self.reason.set(reason);
        self.end_now();
    }

    /// Why it was ended, where that was not wished for and is known.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Resolves when the machine was taken away.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Takes the machine away; its process is gone soon after. Does nothing the second time.
    pub(crate) fn end_now(&self) {
        let held = self.lock().take();
        self.gone.cancel();
        let Some(Held {
            machine,
            slot,
            counted,
        }) = held
        else {
            return;
        };
        if let Some(end) = self.end.now() {
            tracing::warn!(vm = %self.id, "a leased VM ended by itself: {end}");
            self.counters.crashes.fetch_add(1, Ordering::Relaxed);
        }
        let mut end = self.end.clone();
        machine.kill_now();
        self.teardown.spawn(async move {
            drop(machine);
            let _ = end.wait().await;
            // Only now there is room for another one.
            drop((slot, counted));
        });
    }

    /// Says how the VM ended, where it did: a broken connection is often the first that is seen of it.
    pub(crate) async fn explain(&self, error: ExecError) -> ExecError {
        if self.gone.is_cancelled() {
            return self.lost("it was released");
        }
        let mut end = self.end.clone();
        match timeout(LAST_WORDS, end.wait()).await {
            Ok(end) if !was_killed_by_us(&end) => ExecError::VmEnded {
                reason: end.to_string(),
                guest_panic: end.is_guest_panic(),
            },
            Ok(_) | Err(_) => error,
        }
    }

    fn lost(&self, why: &str) -> ExecError {
        match self.end.now() {
            Some(end) if !was_killed_by_us(&end) => ExecError::VmEnded {
                reason: end.to_string(),
                guest_panic: end.is_guest_panic(),
            },
            _ => ExecError::Lost(self.reason.get().map_or(why, String::as_str).to_owned()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        // Every update is one take, so a panic elsewhere can't have left it half-done.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if self.stays() {
            self.let_go();
        } else {
            self.end_now();
        }
    }
}

fn was_killed_by_us(end: &VmmEnd) -> bool {
    match end.kind {
        EndKind::Killed => true,
        EndKind::Exited(_) | EndKind::Signaled(_) | EndKind::Unseen => false,
    }
}
