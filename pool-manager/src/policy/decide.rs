//! The conclusions that a pool's policy draws from its facts.

use std::time::Duration;

use super::state::{Action, Phase, Policy, Refusal, VmmKey};

/// How long stocking up waits after a clone or a shell was handed out: the length of a short exec.
const QUIET: Duration = Duration::from_millis(20);

/// How long stocking up waits after a VMM was found dead.
const AFTER_DEATH: Duration = Duration::from_secs(1);

/// How long a pool keeps from stocking up after it gave its room to another.
pub(super) const YIELD: Duration = Duration::from_secs(5);

impl Policy {
    /// What to do now, in this order. The facts count as changed accordingly.
    pub(crate) fn decide(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let target = self.demand.target(now);
        self.hand_out(now, &mut actions);
        self.place_new_clones(now, target, &mut actions);
        self.refuse(now, &mut actions);
        self.serve_waiters(now, &mut actions);
        self.give_up(now, target, &mut actions);
        if self.may_stock_up(now) {
            self.stock_up(now, target, &mut actions);
        }
        actions
    }

    /// When [`Policy::decide`] is worth calling again although nothing has happened.
    pub(crate) fn next_wake(&self, now: Duration) -> Option<Duration> {
        let deadlines = self.waiters.iter().map(|waiter| waiter.deadline);
        deadlines
            .chain(self.handed_out_at.map(|at| at + QUIET))
            .chain(self.died_at.map(|at| at + AFTER_DEATH))
            .chain([self.breaker.retry_at(), self.yielding_until])
            .filter(|at| *at > now)
            // A change that is due already happens at the next decision, whatever causes it.
            .chain(self.demand.next_change(now).map(|at| at.max(now)))
            .min()
    }

    /// First come, first served; what is parked goes first, oldest first.
    fn hand_out(&mut self, now: Duration, actions: &mut Vec<Action>) {
        while let Some(waiter) = self.waiters.front().map(|waiter| waiter.key) {
            let parked = self.first(|phase| phase == Phase::Parked);
            let ready = parked
                .or_else(|| self.first(|phase| phase == Phase::Proven))
                .or_else(|| self.first(|phase| matches!(phase, Phase::Restored { .. })));
            let Some(key) = ready else {
                return;
            };
            if let Some(Phase::Restored { .. }) = self.vmms.remove(&key) {
                self.breaker.succeeded();
            }
            self.waiters.pop_front();
            self.handed_out_at = Some(now);
            actions.push(Action::HandOut {
                key,
                waiter,
                was_parked: parked.is_some(),
            });
        }
    }

    /// Nobody waits for these: proven ones are parked, new ones proven, as far as they are wanted.
    fn place_new_clones(&mut self, now: Duration, target: u32, actions: &mut Vec<Action>) {
        let keys: Vec<VmmKey> = self.vmms.keys().copied().collect();
        for key in keys {
            match self.vmms.get(&key) {
                Some(Phase::Proven) if self.parked() < self.bounds().max => {
                    self.vmms.insert(key, Phase::Parked);
                }
                Some(Phase::Restored { since })
                    if self.stock() < target && now >= self.yielding_until =>
                {
                    let since = *since;
                    self.vmms.insert(key, Phase::Proving { since });
                    actions.push(Action::Prove { key });
                }
                Some(Phase::Proven | Phase::Restored { .. }) => self.discard(key, actions),
                _ => {}
            }
        }
    }

    fn refuse(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let backing_off = self.backing_off(now);
        let late = if self.no_room {
            Refusal::NoRoom
        } else {
            Refusal::TimedOut
        };
        self.waiters.retain(|waiter| {
            let refusal = match &backing_off {
                Some(refusal) => refusal.clone(),
                None if waiter.deadline <= now => late.clone(),
                None => return true,
            };
            let waiter = waiter.key;
            actions.push(Action::Refuse { waiter, refusal });
            false
        });
    }

    /// A clone for each caller that is left: from a shell, or from a shell that is still to be spawned.
    fn serve_waiters(&mut self, now: Duration, actions: &mut Vec<Action>) {
        while self.waiting() > self.restoring() && self.may_start(now) {
            let Some(key) = self.first(|phase| phase == Phase::Shell) else {
                break;
            };
            self.restore(now, key, true, actions);
        }
        while self.waiting() > self.restoring() + self.spawning()
            && self.may_start(now)
            && !self.no_room
        {
            self.spawn(true, actions);
        }
    }

    /// Ends what is parked or waits beyond what is wanted.
    fn give_up(&mut self, now: Duration, target: u32, actions: &mut Vec<Action>) {
        while self.parked() > target {
            self.discard_first(|phase| phase == Phase::Parked, actions);
        }
        if !self.waiters.is_empty() {
            // Who waits here is worth as much as who waits elsewhere.
            self.owes_room = 0;
            return;
        }
        while self.shells() > self.wanted_shells(now, target) {
            self.discard_first(|phase| phase == Phase::Shell, actions);
        }
        // A shell is the cheaper one to make again.
        for _ in 0..std::mem::take(&mut self.owes_room) {
            let given = if self.shells() > 0 {
                Phase::Shell
            } else {
                Phase::Parked
            };
            self.discard_first(|phase| phase == given, actions);
        }
    }

    fn may_stock_up(&self, now: Duration) -> bool {
        let after = |at: Option<Duration>, pause| at.is_none_or(|at| now >= at + pause);
        self.waiters.is_empty()
            && after(self.handed_out_at, QUIET)
            && after(self.died_at, AFTER_DEATH)
            && now >= self.yielding_until
    }

    fn stock_up(&mut self, now: Duration, target: u32, actions: &mut Vec<Action>) {
        while self.starting() < self.rules.refills_at_once
            && self.stock() + self.restoring() < target
            && self.may_start(now)
        {
            let Some(key) = self.first(|phase| phase == Phase::Shell) else {
                break;
            };
            self.restore(now, key, false, actions);
        }
        // One at a time: nobody waits for it.
        if self.shells() < self.wanted_shells(now, target)
            && self.spawning() == 0
            && self.may_start(now)
            && !self.no_room
        {
            self.spawn(false, actions);
        }
    }

    fn may_start(&self, now: Duration) -> bool {
        let under_way = self.restoring() + self.spawning();
        self.breaker.allows(now, under_way as usize)
    }

    /// Those that are kept, and one to park while one is missing.
    fn wanted_shells(&self, now: Duration, target: u32) -> u32 {
        let missing = target.saturating_sub(self.stock() + self.restoring());
        self.spare_shells(now, target).max(missing.min(1))
    }

    /// A pool that parks nothing keeps its shells while it is in use.
    fn spare_shells(&self, now: Duration, target: u32) -> u32 {
        if target > 0 || self.demand.in_use(now) {
            self.rules.spare_shells
        } else {
            0
        }
    }

    /// Clones that are parked or soon will be.
    fn stock(&self) -> u32 {
        self.count(|phase| matches!(phase, Phase::Proving { .. } | Phase::Proven | Phase::Parked))
    }

    pub(super) fn restoring(&self) -> u32 {
        self.count(|phase| matches!(phase, Phase::Restoring { .. }))
    }

    pub(super) fn spawning(&self) -> u32 {
        self.count(|phase| phase == Phase::Spawning)
    }

    fn spawn(&mut self, urgent: bool, actions: &mut Vec<Action>) {
        self.next_key += 1;
        let key = VmmKey(self.next_key);
        self.vmms.insert(key, Phase::Spawning);
        actions.push(Action::SpawnShell { key, urgent });
    }

    fn restore(&mut self, now: Duration, key: VmmKey, urgent: bool, actions: &mut Vec<Action>) {
        self.vmms.insert(key, Phase::Restoring { since: now });
        actions.push(Action::Restore { key, urgent });
    }

    fn discard_first(&mut self, is: impl Fn(Phase) -> bool, actions: &mut Vec<Action>) {
        if let Some(key) = self.first(is) {
            self.discard(key, actions);
        }
    }

    fn discard(&mut self, key: VmmKey, actions: &mut Vec<Action>) {
        self.vmms.remove(&key);
        actions.push(Action::Discard { key });
    }
}
