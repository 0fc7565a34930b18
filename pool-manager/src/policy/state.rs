//! The facts that a pool's policy knows.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{breaker::Breaker, demand::Demand};
use crate::{PoolSettings, budget::Worth};

/// One VMM of a pool, from its spawn to its end; keys are given in order of spawning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VmmKey(pub(super) u64);

/// One caller that waits; keys are given in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WaiterKey(pub(super) u64);

/// What a pool keeps to, beside its bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Shells that are kept ready.
    pub(crate) spare_shells: u32,
    /// Callers that may wait; the next one is refused.
    pub(crate) waiting_limit: u32,
    /// Clones that are restored and proven at the same time while nobody waits for one.
    pub(crate) refills_at_once: u32,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Spawn a shell under this key. Urgent when a caller waits for it.
    SpawnShell { key: VmmKey, urgent: bool },
    /// Restore the template into this shell.
    Restore { key: VmmKey, urgent: bool },
    /// Take this clone once through the path of a real exec.
    Prove { key: VmmKey },
    /// Give this clone to this caller; the policy forgets both.
    HandOut {
        key: VmmKey,
        waiter: WaiterKey,
        was_parked: bool,
    },
    /// Turn this caller away; the policy forgets it.
    Refuse { waiter: WaiterKey, refusal: Refusal },
    /// End this VMM; the policy forgets it.
    Discard { key: VmmKey },
}

/// Why a caller gets nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many wait already.
    Full { waiting: u32, retry_after: Duration },
    /// Its time is up.
    TimedOut,
    /// Its time is up, and all the while the node had no room for another VMM.
    NoRoom,
    /// Starts keep failing.
    BackingOff {
        last_error: String,
        retry_after: Duration,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Spawning,
    Shell,
    Restoring { since: Duration },
    Restored { since: Duration },
    Proving { since: Duration },
    Proven,
    Parked,
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) key: WaiterKey,
    pub(super) deadline: Duration,
}

/// The state machine of one pool. Time is the time since the pool's start.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(super) rules: Rules,
    pub(super) demand: Demand,
    pub(super) breaker: Breaker,
    pub(super) vmms: BTreeMap<VmmKey, Phase>,
    pub(super) waiters: VecDeque<Waiter>,
    pub(super) next_key: u64,
    /// When a clone or a shell was last handed out; stocking up begins a moment later, so as not to slow its exec.
    pub(super) handed_out_at: Option<Duration>,
    /// When a waiting VMM was last found dead; stocking up begins a moment later, so that a cause that
    /// persists does not burn the CPUs.
    pub(super) died_at: Option<Duration>,
    /// The node had no room at the last try and has not announced any since.
    pub(super) no_room: bool,
    /// The node wants its room for callers of another pool until then: no stocking up.
    pub(super) yielding_until: Duration,
    /// So many VMMs that nobody waits for are to be given up.
    pub(super) owes_room: u32,
}

impl Policy {
    pub(crate) fn new(rules: Rules, bounds: PoolSettings, now: Duration) -> Self {
        Self {
            rules,
            demand: Demand::new(bounds, now),
            breaker: Breaker::default(),
            vmms: BTreeMap::new(),
            waiters: VecDeque::new(),
            next_key: 0,
            handed_out_at: None,
            died_at: None,
            no_room: false,
            yielding_until: Duration::ZERO,
            owes_room: 0,
        }
    }

    /// A caller came.
    ///
    /// # Errors
    /// When too many wait already, or when starts keep failing and nothing is parked.
    pub(crate) fn lease_wanted(
        &mut self,
        now: Duration,
        deadline: Duration,
    ) -> Result<WaiterKey, Refusal> {
        if self.waiting() >= self.rules.waiting_limit {
            return Err(Refusal::Full {
                waiting: self.waiting(),
                retry_after: Duration::from_secs(1),
            });
        }
        if self.parked() == 0
            && let Some(refusal) = self.backing_off(now)
        {
            return Err(refusal);
        }
        self.demand.leased(now);
        self.next_key += 1;
        let key = WaiterKey(self.next_key);
        self.waiters.push_back(Waiter { key, deadline });
        Ok(key)
    }

    /// Somebody wants a shell for something else than its template's own state: the first one that waits, which the
    /// policy forgets. Whoever gets none spawns one. A pool that is asked is in use.
    pub(crate) fn take_shell(&mut self, now: Duration) -> Option<VmmKey> {
        self.demand.used(now);
        let key = self.first(|phase| phase == Phase::Shell)?;
        self.vmms.remove(&key);
        self.handed_out_at = Some(now);
        Some(key)
    }

    /// A caller left before it was served.
    pub(crate) fn cancelled(&mut self, waiter: WaiterKey) {
        self.waiters.retain(|waiting| waiting.key != waiter);
    }

    /// A shell waits.
    pub(crate) fn shell_ready(&mut self, key: VmmKey) {
        self.step(key, |_| Phase::Shell);
    }

    /// A template was restored into a shell; the clone is paused and not proven.
    pub(crate) fn restored(&mut self, key: VmmKey) {
        self.step(key, |phase| match phase {
            Phase::Restoring { since } => Phase::Restored { since },
            other => other,
        });
    }

    /// A clone went through the path of a real exec and is paused again.
    pub(crate) fn proven(&mut self, now: Duration, key: VmmKey) {
        if let Some(Phase::Proving { since }) = self.vmms.get(&key).copied() {
            self.demand.started(now.saturating_sub(since));
            self.breaker.succeeded();
            self.vmms.insert(key, Phase::Proven);
        }
    }

    /// A spawn, restore or proof failed; the VMM is gone.
    pub(crate) fn start_failed(&mut self, now: Duration, key: VmmKey, error: String) {
        if self.vmms.remove(&key).is_some() {
            self.breaker.failed(now, error);
        }
    }

    /// There was no room for the VMM that was to be spawned.
    pub(crate) fn no_room(&mut self, key: VmmKey) {
        if self.vmms.remove(&key).is_some() {
            self.no_room = true;
        }
    }

    /// The last try found no room, and none was announced since.
    pub(crate) fn has_no_room(&self) -> bool {
        self.no_room
    }

    /// Somewhere on the node a VMM is gone.
    pub(crate) fn room(&mut self) {
        self.no_room = false;
    }

    /// Callers of another pool find no room: the next decision gives up so many VMMs that nobody here waits for,
    /// as far as there are any.
    pub(crate) fn yield_room(&mut self, now: Duration, vmms: u32) {
        self.owes_room = self.owes_room.saturating_add(vmms);
        self.yielding_until = now + super::decide::YIELD;
    }

    /// What could be given up, in the order in which it would be: the least valuable first.
    pub(crate) fn spares(&self, now: Duration, memory_mib: u32) -> Vec<Worth> {
        if !self.waiters.is_empty() {
            return Vec::new();
        }
        let shells = (0..self.shells()).map(|_| Worth::NOTHING);
        let min = self.demand.bounds().min;
        let (rate, time_to_park) = self.demand.rate_and_time(now);
        let parked = (1..=self.parked()).rev();
        let parked = parked.map(|nth| Worth::of_parked(nth, min, rate, time_to_park, memory_mib));
        shells.chain(parked).collect()
    }

    /// VMMs that callers wait for and that there was no room for.
    pub(crate) fn unmet(&self) -> u32 {
        if self.no_room {
            let under_way = self.restoring() + self.spawning();
            self.waiting().saturating_sub(under_way)
        } else {
            0
        }
    }

    /// A VMM ended by itself. One that is under way is reported by [`Policy::start_failed`].
    pub(crate) fn died(&mut self, now: Duration, key: VmmKey) {
        if let Some(Phase::Shell | Phase::Proven | Phase::Parked | Phase::Restored { .. }) =
            self.vmms.get(&key)
        {
            self.vmms.remove(&key);
            self.died_at = Some(now);
        }
    }

    pub(crate) fn set_bounds(&mut self, bounds: PoolSettings) {
        self.demand.set_bounds(bounds);
    }

    pub(crate) fn bounds(&self) -> PoolSettings {
        self.demand.bounds()
    }

    pub(crate) fn target(&self) -> u32 {
        self.demand.last_target()
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.waiters.len() as u32
    }

    pub(crate) fn shells(&self) -> u32 {
        self.count(|phase| phase == Phase::Shell)
    }

    pub(crate) fn parked(&self) -> u32 {
        self.count(|phase| phase == Phase::Parked)
    }

    /// Clones that are being restored or proven.
    pub(crate) fn starting(&self) -> u32 {
        self.count(|phase| match phase {
            Phase::Restoring { .. }
            | Phase::Restored { .. }
            | Phase::Proving { .. }
            | Phase::Proven => true,
            Phase::Spawning | Phase::Shell | Phase::Parked => false,
        })
    }

    pub(crate) fn failures(&self) -> u32 {
        self.breaker.failures()
    }

    pub(crate) fn last_error(&self) -> Option<&str> {
        self.breaker.last_error()
    }

    pub(super) fn backing_off(&self, now: Duration) -> Option<Refusal> {
        let retry_after = self.breaker.refuses(now)?;
        Some(Refusal::BackingOff {
            last_error: self.breaker.last_error().unwrap_or_default().to_owned(),
            retry_after,
        })
    }

    pub(super) fn count(&self, is: impl Fn(Phase) -> bool) -> u32 {
        self.vmms.values().filter(|phase| is(**phase)).count() as u32
    }

    pub(super) fn first(&self, is: impl Fn(Phase) -> bool) -> Option<VmmKey> {
        self.vmms
            .iter()
            .find(|(_, phase)| is(**phase))
            .map(|(key, _)| *key)
    }

    fn step(&mut self, key: VmmKey, to: impl FnOnce(Phase) -> Phase) {
        if let Some(phase) = self.vmms.get_mut(&key) {
            *phase = to(*phase);
        }
    }
}
