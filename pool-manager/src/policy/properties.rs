use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{Action, Policy, Rules, VmmKey, WaiterKey};
use crate::PoolSettings;

/// What may happen to a pool.
#[derive(Debug, Clone)]
enum Event {
    Want {
        within_ms: u64,
    },
    Cancel {
        which: usize,
    },
    /// A step under way ends, well or not.
    Finish {
        which: usize,
        well: bool,
    },
    /// Something that waits ends by itself.
    Die {
        which: usize,
    },
    TakeShell,
    NoRoom {
        which: usize,
    },
    Room,
    Yield {
        vmms: u32,
    },
    Bounds {
        min: u32,
        more: u32,
    },
    Pass {
        ms: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1u64..5000).prop_map(|within_ms| Event::Want { within_ms }),
        1 => any::<usize>().prop_map(|which| Event::Cancel { which }),
        8 => (any::<usize>(), prop::bool::weighted(0.9)).prop_map(|(which, well)| Event::Finish { which, well }),
        1 => any::<usize>().prop_map(|which| Event::Die { which }),
        1 => Just(Event::TakeShell),
        1 => any::<usize>().prop_map(|which| Event::NoRoom { which }),
        1 => Just(Event::Room),
        1 => (1u32..3).prop_map(|vmms| Event::Yield { vmms }),
        1 => (0u32..4, 0u32..6).prop_map(|(min, more)| Event::Bounds { min, more }),
        4 => (0u64..400).prop_map(|ms| Event::Pass { ms }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Vmm {
    Spawning,
    Shell,
    Restoring,
    Restored,
    Proving,
    /// Proven, and parked unless it was handed out.
    Waiting,
}

/// A world in which the actions are carried out, and checked.
struct World {
    policy: Policy,
    now: Duration,
    vmms: BTreeMap<VmmKey, Vmm>,
    waiters: Vec<WaiterKey>,
}

impl World {
    fn new() -> Self {
        let rules = Rules {
            spare_shells: 2,
            waiting_limit: 5,
            refills_at_once: 2,
        };
        let bounds = PoolSettings {
            min: 1,
            max: 4,
            idle: Duration::from_secs(2),
        };
        Self {
            policy: Policy::new(rules, bounds, Duration::ZERO),
            now: Duration::ZERO,
            vmms: BTreeMap::new(),
            waiters: Vec::new(),
        }
    }

    fn pick(&self, which: usize, is: impl Fn(Vmm) -> bool) -> Option<(VmmKey, Vmm)> {
        let fitting: Vec<_> = self.vmms.iter().filter(|(_, vmm)| is(**vmm)).collect();
        let (key, vmm) = fitting.get(which.checked_rem(fitting.len())?)?;
        Some((**key, **vmm))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Want { within_ms } => {
                let deadline = self.now + Duration::from_millis(within_ms);
                match self.policy.lease_wanted(self.now, deadline) {
                    Ok(waiter) => self.waiters.push(waiter),
                    Err(_) => assert!(self.waiters.len() == 5 || self.policy.failures() >= 3),
                }
            }
            Event::Cancel { which } => {
                if !self.waiters.is_empty() {
                    let waiter = self.waiters.remove(which % self.waiters.len());
                    self.policy.cancelled(waiter);
                }
            }
            Event::Finish { which, well } => self.finish(which, well),
            Event::Die { which } => {
                let waits = |vmm| matches!(vmm, Vmm::Shell | Vmm::Waiting);
                if let Some((key, _)) = self.pick(which, waits) {
                    self.vmms.remove(&key);
                    self.policy.died(self.now, key);
                }
            }
            Event::TakeShell => {
                let waits = self.pick(0, |vmm| vmm == Vmm::Shell).is_some();
                let taken = self.policy.take_shell(self.now);
                assert_eq!(taken.is_some(), waits);
                if let Some(key) = taken {
                    assert_eq!(self.vmms.remove(&key), Some(Vmm::Shell));
                }
            }
            Event::NoRoom { which } => {
                if let Some((key, _)) = self.pick(which, |vmm| vmm == Vmm::Spawning) {
                    self.vmms.remove(&key);
                    self.policy.no_room(key);
                }
            }
            Event::Room => self.policy.room(),
            Event::Yield { vmms } => self.policy.yield_room(self.now, vmms),
            Event::Bounds { min, more } => self.policy.set_bounds(PoolSettings {
                min,
                max: min + more,
                idle: Duration::from_secs(2),
            }),
            Event::Pass { ms } => self.now += Duration::from_millis(ms),
        }
        self.act();
    }

    fn finish(&mut self, which: usize, well: bool) {
        let under_way = |vmm| matches!(vmm, Vmm::Spawning | Vmm::Restoring | Vmm::Proving);
        let Some((key, vmm)) = self.pick(which, under_way) else {
            return;
        };
        if !well {
            self.vmms.remove(&key);
            self.policy.start_failed(self.now, key, "bad luck".into());
            return;
        }
        let next = match vmm {
            Vmm::Spawning => {
                self.policy.shell_ready(key);
                Vmm::Shell
            }
            Vmm::Restoring => {
                self.policy.restored(key);
                Vmm::Restored
            }
            _ => {
                self.policy.proven(self.now, key);
                Vmm::Waiting
            }
        };
        self.vmms.insert(key, next);
    }

    fn act(&mut self) {
        for action in self.policy.decide(self.now) {
            match action {
                Action::SpawnShell { key, .. } => {
                    assert_eq!(self.vmms.insert(key, Vmm::Spawning), None);
                }
                Action::Restore { key, .. } => self.turn(key, Vmm::Shell, Vmm::Restoring),
                Action::Prove { key } => self.turn(key, Vmm::Restored, Vmm::Proving),
                Action::HandOut { key, waiter, .. } => {
                    let vmm = self.vmms.remove(&key).expect("a dead clone was handed out");
                    assert!(matches!(vmm, Vmm::Waiting | Vmm::Restored), "{vmm:?}");
                    assert_eq!(
                        self.waiters.remove(0),
                        waiter,
                        "not first come, first served"
                    );
                }
                Action::Refuse { waiter, .. } => {
                    let known = self.waiters.iter().position(|other| *other == waiter);
                    self.waiters
                        .remove(known.expect("a caller was refused twice"));
                }
                Action::Discard { key } => {
                    assert!(self.vmms.remove(&key).is_some(), "ended twice");
                }
            }
        }
        assert!(self.policy.parked() <= self.policy.bounds().max);
        assert!(self.policy.target() <= self.policy.bounds().max);
        assert_eq!(self.policy.waiting() as usize, self.waiters.len());
        let idle_parked = self
            .vmms
            .values()
            .filter(|vmm| **vmm == Vmm::Waiting)
            .count();
        assert_eq!(self.policy.parked() as usize, idle_parked);
        assert!(
            idle_parked == 0 || self.waiters.is_empty(),
            "a caller waits beside a clone"
        );
    }

    fn turn(&mut self, key: VmmKey, from: Vmm, to: Vmm) {
        assert_eq!(self.vmms.insert(key, to), Some(from));
    }

    /// From here on everything goes well; returns once nothing is left to do.
    fn calm_down(&mut self) {
        self.policy.room();
        for _ in 0..2000 {
            self.act();
            let under_way = |vmm| matches!(vmm, Vmm::Spawning | Vmm::Restoring | Vmm::Proving);
            if self.pick(0, under_way).is_some() {
                self.finish(0, true);
            } else if let Some(next) = self.policy.next_wake(self.now) {
                self.now = next.max(self.now);
            } else {
                return;
            }
        }
        panic!("the pool never comes to rest: {:?}", self.policy);
    }
}

proptest! {
    #[test]
    fn whatever_happens_no_caller_is_lost_and_no_bound_is_broken(
        events in prop::collection::vec(event(), 0..200),
    ) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.calm_down();
        prop_assert!(world.waiters.is_empty(), "a caller was lost");
        prop_assert_eq!(world.policy.parked(), world.policy.bounds().min);
    }
}
