use std::time::Duration;

use super::{Action, Policy, Refusal, Rules, VmmKey, WaiterKey};
use crate::PoolSettings;

const RULES: Rules = Rules {
    spare_shells: 2,
    waiting_limit: 64,
    refills_at_once: 1,
};

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn pool(min: u32, max: u32) -> Policy {
    let bounds = PoolSettings {
        min,
        max,
        idle: Duration::from_secs(300),
    };
    Policy::new(RULES, bounds, Duration::ZERO)
}

/// Carries out everything at once and without failures, until nothing is left to do.
fn settle(policy: &mut Policy, now: Duration) -> Vec<Action> {
    let mut all = Vec::new();
    loop {
        let actions = policy.decide(now);
        if actions.is_empty() {
            return all;
        }
        for action in &actions {
            match action {
                Action::SpawnShell { key, .. } => policy.shell_ready(*key),
                Action::Restore { key, .. } => policy.restored(*key),
                Action::Prove { key } => policy.proven(now, *key),
                _ => {}
            }
        }
        all.extend(actions);
    }
}

fn want(policy: &mut Policy, now: Duration) -> WaiterKey {
    policy
        .lease_wanted(now, now + Duration::from_secs(30))
        .unwrap()
}

fn handed_out(actions: &[Action]) -> Vec<(VmmKey, WaiterKey)> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::HandOut { key, waiter, .. } => Some((*key, *waiter)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_pool_fills_to_its_minimum_and_keeps_its_shells() {
    let mut policy = pool(2, 8);
    settle(&mut policy, at(0));
    assert_eq!(
        (policy.parked(), policy.shells(), policy.starting()),
        (2, 2, 0)
    );
}

#[test]
fn a_pool_that_keeps_no_shells_still_parks_its_clones() {
    let bounds = PoolSettings {
        min: 3,
        max: 3,
        idle: Duration::from_secs(300),
    };
    let rules = Rules {
        spare_shells: 0,
        ..RULES
    };
    let mut policy = Policy::new(rules, bounds, Duration::ZERO);
    settle(&mut policy, at(0));
    assert_eq!(
        (policy.parked(), policy.shells(), policy.starting()),
        (3, 0, 0)
    );
}

#[test]
fn a_pool_that_parks_nothing_keeps_its_shells_while_it_is_in_use() {
    let mut policy = pool(0, 0);
    settle(&mut policy, at(0));
    assert_eq!((policy.parked(), policy.shells()), (0, 0));
    want(&mut policy, at(1000));
    settle(&mut policy, at(1000));
    settle(&mut policy, at(1020));
    assert_eq!((policy.parked(), policy.shells()), (0, 2));
    assert_eq!(policy.next_wake(at(1020)), Some(at(301_000)));
    settle(&mut policy, at(301_000));
    assert_eq!((policy.parked(), policy.shells()), (0, 0));
    assert_eq!(policy.next_wake(at(301_000)), None);
}

#[test]
fn a_parked_clone_is_handed_out_at_once_and_replaced_a_moment_later() {
    let mut policy = pool(1, 8);
    settle(&mut policy, at(0));
    let waiter = want(&mut policy, at(1000));
    let actions = policy.decide(at(1000));
    assert!(
        matches!(&actions[..], [Action::HandOut { waiter: to, was_parked: true, .. }] if *to == waiter),
        "{actions:?}"
    );
    assert_eq!(policy.next_wake(at(1000)), Some(at(1020)));
    settle(&mut policy, at(1020));
    assert_eq!((policy.parked(), policy.shells()), (1, 2));
}

#[test]
fn a_caller_of_an_empty_pool_gets_a_clone_as_soon_as_it_is_restored_without_a_proof() {
    let mut policy = pool(1, 8);
    let waiter = want(&mut policy, at(0));
    let spawn = policy.decide(at(0));
    let [Action::SpawnShell { key, urgent: true }] = spawn[..] else {
        panic!("{spawn:?}")
    };
    policy.shell_ready(key);
    assert_eq!(
        policy.decide(at(20)),
        [Action::Restore { key, urgent: true }]
    );
    policy.restored(key);
    assert_eq!(
        policy.decide(at(25)),
        [Action::HandOut {
            key,
            waiter,
            was_parked: false
        }]
    );
}

#[test]
fn a_clone_whose_caller_left_is_proven_and_parked() {
    let mut policy = pool(1, 8);
    let waiter = want(&mut policy, at(0));
    let Action::SpawnShell { key, .. } = policy.decide(at(0))[0] else {
        panic!("no shell")
    };
    policy.shell_ready(key);
    policy.decide(at(0));
    policy.cancelled(waiter);
    policy.restored(key);
    assert!(policy.decide(at(30)).contains(&Action::Prove { key }));
    policy.proven(at(90), key);
    settle(&mut policy, at(90));
    assert_eq!(policy.parked(), 1);
}

#[test]
fn callers_are_served_in_the_order_in_which_they_came() {
    let mut policy = pool(2, 8);
    settle(&mut policy, at(0));
    let waiters: Vec<_> = (0..6).map(|n| want(&mut policy, at(100 + n))).collect();
    let served: Vec<_> = handed_out(&settle(&mut policy, at(110)))
        .into_iter()
        .map(|(_, waiter)| waiter)
        .collect();
    assert_eq!(served, waiters);
}

#[test]
fn the_sixty_fifth_caller_is_refused() {
    let mut policy = pool(0, 8);
    for _ in 0..64 {
        want(&mut policy, at(0));
    }
    assert!(matches!(
        policy.lease_wanted(at(0), at(1)),
        Err(Refusal::Full { waiting: 64, .. })
    ));
}

#[test]
fn a_caller_is_told_when_its_time_is_up_and_why() {
    let mut policy = pool(0, 8);
    let waiter = policy.lease_wanted(at(0), at(50)).unwrap();
    let Action::SpawnShell { key, .. } = policy.decide(at(0))[0] else {
        panic!("no shell")
    };
    policy.no_room(key);
    assert_eq!(policy.decide(at(10)), []);
    assert_eq!(policy.next_wake(at(10)), Some(at(50)));
    let refusal = Refusal::NoRoom;
    assert_eq!(policy.decide(at(50)), [Action::Refuse { waiter, refusal }]);
}

#[test]
fn room_that_is_announced_is_used() {
    let mut policy = pool(0, 8);
    want(&mut policy, at(0));
    let Action::SpawnShell { key, .. } = policy.decide(at(0))[0] else {
        panic!("no shell")
    };
    policy.no_room(key);
    policy.room();
    assert!(matches!(
        policy.decide(at(10))[..],
        [Action::SpawnShell { urgent: true, .. }]
    ));
}

#[test]
fn starts_that_keep_failing_turn_callers_away_with_the_last_error() {
    let mut policy = pool(0, 8);
    want(&mut policy, at(0));
    let mut now = at(0);
    let mut refused = Vec::new();
    while refused.is_empty() {
        let actions = policy.decide(now);
        if actions.is_empty() {
            now = policy.next_wake(now).unwrap();
        }
        for action in actions {
            match action {
                Action::SpawnShell { key, .. } => policy.start_failed(now, key, "no qemu".into()),
                Action::Refuse { refusal, .. } => refused.push(refusal),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(
        matches!(&refused[..], [Refusal::BackingOff { last_error, .. }] if last_error == "no qemu"),
        "{refused:?}"
    );
    assert_eq!(policy.failures(), 3);
    assert!(matches!(
        policy.lease_wanted(at(301), at(400)),
        Err(Refusal::BackingOff { .. })
    ));
}

#[test]
fn a_dead_clone_is_not_handed_out_and_not_counted() {
    let mut policy = pool(1, 8);
    let actions = settle(&mut policy, at(0));
    let Some(Action::Prove { key }) = actions
        .iter()
        .find(|action| matches!(action, Action::Prove { .. }))
    else {
        panic!("nothing was proven")
    };
    policy.died(at(100), *key);
    assert_eq!(policy.parked(), 0);
    want(&mut policy, at(101));
    let served = handed_out(&settle(&mut policy, at(101)));
    assert_eq!(served.len(), 1);
    assert_ne!(served[0].0, *key);
}

#[test]
fn a_shell_that_is_taken_is_replaced_a_moment_later() {
    let mut policy = pool(1, 8);
    settle(&mut policy, at(0));
    let (first, second) = (policy.take_shell(at(1000)), policy.take_shell(at(1000)));
    assert!(first.is_some() && second.is_some() && first != second);
    assert_eq!(policy.take_shell(at(1000)), None);
    assert_eq!(policy.decide(at(1000)), []);
    assert_eq!(policy.next_wake(at(1000)), Some(at(1020)));
    settle(&mut policy, at(1020));
    assert_eq!((policy.parked(), policy.shells()), (1, 2));
}

#[test]
fn a_pool_that_was_asked_for_a_shell_in_vain_keeps_some_while_it_is_in_use() {
    let mut policy = pool(0, 8);
    settle(&mut policy, at(0));
    assert_eq!(policy.take_shell(at(1000)), None);
    settle(&mut policy, at(1000));
    // Shells, but no clones: nobody asked for one of those.
    assert_eq!((policy.parked(), policy.shells()), (0, 2));
    assert!(policy.take_shell(at(2000)).is_some());
    settle(&mut policy, at(302_000));
    assert_eq!((policy.parked(), policy.shells()), (0, 0));
}

#[test]
fn a_shell_that_a_caller_waits_for_is_not_taken() {
    let mut policy = pool(0, 8);
    want(&mut policy, at(0));
    let actions = policy.decide(at(0));
    let [Action::SpawnShell { key, .. }] = actions[..] else {
        panic!("{actions:?}");
    };
    policy.shell_ready(key);
    let restoring = policy.decide(at(1));
    assert!(matches!(restoring[..], [Action::Restore { .. }]));
    assert_eq!(policy.take_shell(at(1)), None);
}

#[test]
fn clones_that_keep_dying_are_replaced_once_a_second() {
    let mut policy = pool(1, 8);
    settle(&mut policy, at(0));
    let key = policy
        .first(|phase| phase == super::state::Phase::Parked)
        .unwrap();
    policy.died(at(5000), key);
    assert_eq!(policy.decide(at(5500)), []);
    settle(&mut policy, at(6000));
    assert_eq!(policy.parked(), 1);
}

#[test]
fn lower_bounds_end_what_is_too_much() {
    let mut policy = pool(4, 8);
    settle(&mut policy, at(0));
    // In use, so that the bounds alone count.
    want(&mut policy, at(0));
    settle(&mut policy, at(0));
    policy.set_bounds(PoolSettings {
        min: 0,
        max: 1,
        idle: Duration::from_secs(1),
    });
    settle(&mut policy, at(10));
    assert_eq!(policy.parked(), 1);
    settle(&mut policy, at(5000));
    assert_eq!((policy.parked(), policy.shells()), (0, 0));
}

#[test]
fn a_pool_asked_for_room_gives_up_one_at_a_time_shells_first() {
    let mut policy = pool(1, 8);
    settle(&mut policy, at(0));
    for left in [(1, 1), (1, 0), (0, 0), (0, 0)] {
        policy.yield_room(at(100), 1);
        settle(&mut policy, at(100));
        assert_eq!((policy.parked(), policy.shells()), left);
    }
    settle(&mut policy, at(6000));
    assert_eq!((policy.parked(), policy.shells()), (1, 2));
}
