use proptest::prelude::*;

use super::*;

const NOBODY: [MemberKey; 0] = [];

fn worth(n: u32) -> Worth {
    Worth::of_parked(1, 0, f64::from(n), 1.0, 1)
}

fn room(vmms: u32, memory_mib: u64) -> Room {
    Room::new(Amount { vmms, memory_mib })
}

#[test]
fn the_least_valuable_spare_is_asked_for_and_no_more_than_is_needed() {
    let mut room = room(100, 1000);
    let members: Vec<_> = (0..4).map(|_| room.join(250)).collect();
    for (n, member) in members.iter().enumerate() {
        room.take(*member, false).unwrap();
        assert_eq!(
            room.report(*member, vec![worth(9 - n as u32)], 0, 0),
            NOBODY
        );
    }
    let waiting = room.join(300);
    assert!(room.take(waiting, true).is_err());
    assert_eq!(room.report(waiting, vec![], 1, 0), [members[3], members[2]]);
    // They are on their way: nobody else is asked.
    assert_eq!(room.report(waiting, vec![], 1, 0), NOBODY);
    for member in &members[2..] {
        room.give_back(250);
        assert_eq!(room.report(*member, vec![], 0, 1), NOBODY);
    }
    // Promised to whoever waits, and to nobody else.
    assert!(room.take(members[2], false).is_err());
    assert!(room.take(members[2], true).is_err());
    room.take(waiting, true).unwrap();
    assert_eq!(room.report(waiting, vec![], 0, 0), NOBODY);
    assert!(room.take(members[2], false).is_err());
}

#[test]
fn one_that_was_leased_meanwhile_is_replaced_by_the_next() {
    let mut room = room(2, 1000);
    let (first, second, waiting) = (room.join(100), room.join(100), room.join(100));
    for member in [first, second] {
        room.take(member, true).unwrap();
    }
    room.report(first, vec![worth(1)], 0, 0);
    room.report(second, vec![worth(2)], 0, 0);
    assert_eq!(room.report(waiting, vec![], 1, 0), [first]);
    // It has dealt with it, and has given nothing.
    assert_eq!(room.report(first, vec![], 0, 1), [second]);
}

#[test]
fn what_can_not_be_met_costs_nobody_anything() {
    let mut room = room(10, 1000);
    let (small, large) = (room.join(100), room.join(5000));
    room.take(small, false).unwrap();
    room.report(small, vec![worth(1)], 0, 0);
    assert!(room.take(large, true).is_err());
    assert_eq!(room.report(large, vec![], 1, 0), NOBODY);
    // And holds up nobody who waits.
    room.take(small, true).unwrap();
}

/// What may happen to a node.
#[derive(Debug, Clone)]
enum Event {
    /// A member with a spare more, or one less.
    Stock {
        who: usize,
        worth: u32,
    },
    Lease {
        who: usize,
    },
    End {
        who: usize,
    },
    Need {
        who: usize,
    },
    /// A member deals with what it was asked for.
    Answer {
        who: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let who = || 0usize..5;
    prop_oneof![
        4 => (who(), 0u32..9).prop_map(|(who, worth)| Event::Stock { who, worth }),
        2 => who().prop_map(|who| Event::Lease { who }),
        2 => who().prop_map(|who| Event::End { who }),
        3 => who().prop_map(|who| Event::Need { who }),
        4 => who().prop_map(|who| Event::Answer { who }),
    ]
}

#[derive(Debug, Default)]
struct Pool {
    key: MemberKey,
    memory_mib: u32,
    spares: Vec<Worth>,
    leased: u32,
    needs: u32,
    asked: u64,
    answered: u64,
}

struct World {
    room: Room,
    pools: Vec<Pool>,
}

impl World {
    fn new() -> Self {
        let mut room = room(12, 1500);
        let pool = |memory_mib| Pool {
            key: room.join(memory_mib),
            memory_mib,
            ..Pool::default()
        };
        let pools = [100, 100, 200, 300, 700].map(pool).into();
        Self { room, pools }
    }

    fn happen(&mut self, event: Event) {
        let who = match event {
            Event::Stock { who, worth: n } => {
                let pool = &mut self.pools[who];
                if pool.needs == 0 && self.room.take(pool.key, false).is_ok() {
                    pool.spares.push(worth(n));
                    pool.spares.sort();
                }
                who
            }
            Event::Lease { who } => {
                let pool = &mut self.pools[who];
                if pool.spares.pop().is_some() {
                    pool.leased += 1;
                }
                who
            }
            Event::End { who } => {
                let pool = &mut self.pools[who];
                if pool.leased > 0 {
                    pool.leased -= 1;
                    self.room.give_back(pool.memory_mib);
                }
                who
            }
            Event::Need { who } => {
                let pool = &mut self.pools[who];
                if pool.spares.pop().is_some() {
                    pool.leased += 1;
                } else {
                    pool.needs += 1;
                }
                who
            }
            Event::Answer { who } => {
                self.answer(who);
                who
            }
        };
        self.tell(who);
    }

    /// Those in need take what there is, as they do when room is announced.
    fn take(&mut self) {
        for who in 0..self.pools.len() {
            let pool = &mut self.pools[who];
            while pool.needs > 0 && self.room.take(pool.key, true).is_ok() {
                pool.needs -= 1;
                pool.leased += 1;
            }
            self.tell(who);
        }
    }

    fn answer(&mut self, who: usize) {
        let pool = &mut self.pools[who];
        while pool.answered < pool.asked {
            pool.answered += 1;
            if !pool.spares.is_empty() {
                pool.spares.remove(0);
                self.room.give_back(pool.memory_mib);
            }
        }
    }

    fn tell(&mut self, who: usize) {
        let pool = &self.pools[who];
        let spares = pool.spares.clone();
        let unasked = |world: &Self| -> Vec<_> {
            let next = |pool: &Pool| {
                pool.spares
                    .get((pool.asked - pool.answered) as usize)
                    .copied()
            };
            world.pools.iter().filter_map(next).collect()
        };
        let asked = self
            .room
            .report(pool.key, spares, pool.needs, pool.answered);
        let needy: Vec<_> = self
            .pools
            .iter()
            .filter(|pool| pool.needs > 0)
            .map(|pool| pool.key)
            .collect();
        for key in &asked {
            let pool = self.pools.iter_mut().find(|pool| pool.key == *key).unwrap();
            let next = pool.spares.get((pool.asked - pool.answered) as usize);
            let given = *next.expect("asked for what is not there");
            pool.asked += 1;
            // With one in need, each that is asked for is worth no more than any that is not.
            if needy.len() == 1 {
                assert!(needy[0] != *key, "asked of whom it is for");
                assert!(unasked(self).iter().all(|other| given <= *other));
            }
        }
        let taken: (u32, u64) = self.pools.iter().fold((0, 0), |(vmms, memory), pool| {
            let own = pool.spares.len() as u32 + pool.leased;
            (vmms + own, memory + u64::from(own * pool.memory_mib))
        });
        assert_eq!(
            (self.room.taken().vmms, self.room.taken().memory_mib),
            taken
        );
        assert!(taken.0 <= 12 && taken.1 <= 1500, "a bound was broken");
    }
}

proptest! {
    #[test]
    fn no_bound_is_broken_and_the_least_valuable_go_first(
        events in prop::collection::vec(event(), 0..200),
    ) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
    }

    #[test]
    fn whoever_waits_is_served_once_all_leases_have_ended(
        events in prop::collection::vec(event(), 0..100),
    ) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        // More rounds than there can be needs.
        for _ in 0..200 {
            for who in 0..world.pools.len() {
                world.happen(Event::End { who });
                world.happen(Event::Answer { who });
            }
            world.take();
        }
        for pool in &world.pools {
            prop_assert_eq!(pool.needs, 0, "somebody waits for ever: {:?}", pool);
        }
    }
}
