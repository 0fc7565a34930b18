//! The node, and the events of its day.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    time::Duration,
};

use super::{
    SimulatedFigures, SimulatedTimes,
    gate::{Gate, Turn},
    pool::{Caller, Pool, Step},
};
use crate::{
    NodeLimits, PoolSettings,
    budget::{Amount, Room},
    policy::{Action, Rules, VmmKey},
};

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedCall {
    /// When it comes.
    pub at: Duration,
    /// Which pool's; see [`SimulatedNode::add_pool`].
    pub pool: usize,
    /// How long it uses its clone.
    pub uses: Duration,
    /// How long it waits at most.
    pub within: Duration,
}

/// A node with pools and no VMMs.
#[derive(Debug)]
pub struct SimulatedNode {
    times: SimulatedTimes,
    rules: Rules,
    room: Room,
    gate: Gate<(usize, VmmKey)>,
    pools: Vec<Pool>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    next_event: u64,
    now: Duration,
    /// Pools that may have something to do now.
    stirred: BTreeSet<usize>,
    figures: SimulatedFigures,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A step of a pool's VMM is over.
    Done {
        pool: usize,
        key: VmmKey,
        urgent: bool,
    },
    /// A lease has ended.
    Ended { pool: usize },
    /// It is time to look at a pool.
    Wake { pool: usize },
}

impl SimulatedNode {
    /// A node with these bounds, of which the number of VMMs, the memory, the starts at once, the callers that
    /// wait and the shells count.
    pub fn new(limits: &NodeLimits, times: SimulatedTimes) -> Self {
        let bounds = Amount {
            vmms: limits.vmms,
            memory_mib: limits.memory_mib,
        };
        Self {
            times,
            rules: Rules {
                spare_shells: limits.spare_shells,
                waiting_limit: limits.waiting,
                refills_at_once: limits.starts_at_once.div_ceil(2),
            },
            room: Room::new(bounds),
            gate: Gate::new(limits.starts_at_once),
            pools: Vec::new(),
            events: BinaryHeap::new(),
            next_event: 0,
            now: Duration::ZERO,
            stirred: BTreeSet::new(),
            figures: SimulatedFigures::default(),
        }
    }

    /// Adds a pool whose machines have so much memory; returns its number.
    pub fn add_pool(&mut self, settings: PoolSettings, memory_mib: u32) -> usize {
        let member = self.room.join(memory_mib);
        let pool = Pool::new(self.rules, settings, member, memory_mib);
        self.pools.push(pool);
        self.stirred.insert(self.pools.len() - 1);
        self.pools.len() - 1
    }

    /// Runs through calls, which must be in order of time, and on until `end`; returns what was counted.
    pub fn run(
        mut self,
        calls: impl IntoIterator<Item = SimulatedCall>,
        end: Duration,
    ) -> SimulatedFigures {
        self.act();
        for call in calls {
            self.pass_until(call.at);
            self.take_in(call);
            self.act();
        }
        self.pass_until(end);
        for pool in &mut self.pools {
            self.figures.idle_mib_s += pool.count_idle(end);
        }
        self.figures
    }

    fn pass_until(&mut self, until: Duration) {
        while let Some(Reverse((at, _, event))) = self.events.peek().copied() {
            if at > until {
                break;
            }
            self.events.pop();
            self.now = at;
            self.happen(event);
            self.act();
        }
        self.now = self.now.max(until);
    }

    fn take_in(&mut self, call: SimulatedCall) {
        self.figures.calls += 1;
        let now = self.now;
        let Some(pool) = self.pools.get_mut(call.pool) else {
            return;
        };
        match pool.policy.lease_wanted(now, now + call.within) {
            Ok(waiter) => {
                let (since, uses) = (now, call.uses);
                pool.callers.insert(waiter, Caller { since, uses });
            }
            Err(_) => self.figures.refused += 1,
        }
        self.stirred.insert(call.pool);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Done { pool, key, urgent } => {
                let begun = self.gate.leave(urgent);
                self.begin(begun);
                self.stirred.insert(pool);
                let pool = &mut self.pools[pool];
                match pool.steps.remove(&key) {
                    Some(Step::Spawn) => pool.policy.shell_ready(key),
                    Some(Step::Restore) => pool.policy.restored(key),
                    Some(Step::Prove) => pool.policy.proven(self.now, key),
                    None => {}
                }
            }
            Event::Ended { pool } => self.give_back(pool),
            Event::Wake { pool } => {
                // Another one is planned by now, where this is not it.
                if self.pools[pool].wake == Some(self.now) {
                    self.pools[pool].wake = None;
                    self.stirred.insert(pool);
                }
            }
        }
    }

    /// Lets pools decide and act until nothing is left to do at once.
    fn act(&mut self) {
        while let Some(index) = self.stirred.pop_first() {
            let pool = &mut self.pools[index];
            let asked = pool.asked - pool.answered;
            if asked > 0 {
                pool.answered = pool.asked;
                let asked = u32::try_from(asked).unwrap_or(u32::MAX);
                pool.policy.yield_room(self.now, asked);
            }
            loop {
                let actions = self.pools[index].policy.decide(self.now);
                if actions.is_empty() {
                    break;
                }
                for action in actions {
                    self.carry_out(index, action);
                }
            }
            self.report(index);
            let pool = &mut self.pools[index];
            self.figures.idle_mib_s += pool.count_idle(self.now);
            let wake = pool.policy.next_wake(self.now);
            // An earlier one plans the next when it comes.
            if let Some(at) = wake
                && pool.wake.is_none_or(|planned| at < planned)
            {
                pool.wake = Some(at);
                self.plan(at, Event::Wake { pool: index });
            }
        }
        let taken = self.room.taken().memory_mib;
        self.figures.peak_mib = self.figures.peak_mib.max(taken);
    }

    fn carry_out(&mut self, index: usize, action: Action) {
        let now = self.now;
        let pool = &mut self.pools[index];
        match action {
            Action::SpawnShell { key, urgent } => match self.room.take(pool.member, urgent) {
                Ok(()) => self.step(index, key, Step::Spawn, urgent),
                Err(_) => pool.policy.no_room(key),
            },
            Action::Restore { key, urgent } => self.step(index, key, Step::Restore, urgent),
            Action::Prove { key } => self.step(index, key, Step::Prove, false),
            Action::HandOut {
                waiter, was_parked, ..
            } => {
                let Some(caller) = pool.callers.remove(&waiter) else {
                    return;
                };
                if was_parked {
                    self.figures.warm += 1;
                } else {
                    self.figures.cold += 1;
                    self.figures.waited += now.saturating_sub(caller.since);
                }
                self.plan(now + caller.uses, Event::Ended { pool: index });
            }
            Action::Refuse { waiter, .. } => {
                pool.callers.remove(&waiter);
                self.figures.refused += 1;
            }
            Action::Discard { key } => {
                pool.steps.remove(&key);
                self.figures.wasted += 1;
                self.give_back(index);
            }
        }
    }

    fn step(&mut self, index: usize, key: VmmKey, step: Step, urgent: bool) {
        self.pools[index].steps.insert(key, step);
        let begun = self.gate.enter(Turn {
            step: (index, key),
            urgent,
        });
        self.begin(begun);
    }

    fn begin(&mut self, begun: Vec<Turn<(usize, VmmKey)>>) {
        for Turn {
            step: (pool, key),
            urgent,
        } in begun
        {
            let took = match self.pools[pool].steps.get(&key) {
                Some(Step::Spawn) => self.times.spawn,
                Some(Step::Restore) => self.times.restore,
                Some(Step::Prove) => self.times.proof,
                None => Duration::ZERO,
            };
            self.plan(self.now + took, Event::Done { pool, key, urgent });
        }
    }

    /// A VMM of a pool is gone: its room is announced to all that had none.
    fn give_back(&mut self, index: usize) {
        self.room.give_back(self.pools[index].memory_mib);
        self.announce();
    }

    fn announce(&mut self) {
        for (index, pool) in self.pools.iter_mut().enumerate() {
            if pool.policy.has_no_room() {
                pool.policy.room();
                self.stirred.insert(index);
            }
        }
    }

    fn report(&mut self, index: usize) {
        let pool = &self.pools[index];
        let spares = pool.policy.spares(self.now, pool.memory_mib);
        let (needs, answered) = (pool.policy.unmet(), pool.answered);
        let asked = self.room.report(pool.member, spares, needs, answered);
        for member in asked {
            let found = self.pools.iter().position(|pool| pool.member == member);
            if let Some(index) = found {
                self.pools[index].asked += 1;
                self.stirred.insert(index);
            }
        }
    }

    fn plan(&mut self, at: Duration, event: Event) {
        self.next_event += 1;
        self.events.push(Reverse((at, self.next_event, event)));
    }
}
