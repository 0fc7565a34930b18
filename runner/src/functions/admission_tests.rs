use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const ALL: Share = Share {
    running: 3,
    waiting: 6,
    starting: u32::MAX,
};

const WAITS: Arrival = Arrival::Waits { instead_of: None };

fn share(running: u32, waiting: u32) -> Share {
    Share {
        running,
        waiting,
        starting: u32::MAX,
    }
}

#[test]
fn a_function_runs_up_to_its_share_then_waits_then_is_refused() {
    let mut admission = Admission::new(ALL);
    let arrive =
        |admission: &mut Admission, ticket| admission.arrive(ticket, "f", "k", share(1, 2));
    assert_eq!(arrive(&mut admission, 1), Arrival::Runs);
    assert_eq!(arrive(&mut admission, 2), WAITS);
    assert_eq!(arrive(&mut admission, 3), WAITS);
    assert_eq!(arrive(&mut admission, 4), Arrival::Refused { waiting: 2 });
    assert_eq!(admission.leave("f", true), [2]);
    admission.give_up(3, "f", "k");
    assert!(admission.leave("f", true).is_empty());
    assert_eq!(admission.of("f"), (0, 0));
}

#[test]
fn functions_take_turns_and_so_do_keys_within_one() {
    let mut admission = Admission::new(share(1, 100));
    admission.arrive(0, "busy", "a", share(5, 50));
    for ticket in 1..=4 {
        admission.arrive(ticket, "busy", "a", share(5, 50));
    }
    admission.arrive(10, "busy", "b", share(5, 50));
    admission.arrive(20, "calm", "a", share(5, 50));
    let mut order = Vec::new();
    let mut running = "busy";
    while let [ticket] = admission.leave(running, true)[..] {
        order.push(ticket);
        running = if ticket == 20 { "calm" } else { "busy" };
    }
    assert_eq!(order, [1, 20, 10, 2, 3, 4]);
}

#[test]
fn one_that_is_at_its_own_bound_does_not_hold_up_the_others() {
    let mut admission = Admission::new(share(2, 100));
    assert_eq!(admission.arrive(1, "f", "k", share(1, 9)), Arrival::Runs);
    assert_eq!(admission.arrive(2, "f", "k", share(1, 9)), WAITS);
    assert_eq!(admission.arrive(3, "g", "k", share(9, 9)), Arrival::Runs);
    assert_eq!(admission.arrive(4, "g", "k", share(9, 9)), WAITS);
    assert_eq!(admission.leave("g", true), [4]);
    assert_eq!(admission.leave("f", true), [2]);
}

#[test]
fn a_key_that_fills_its_functions_queue_gives_way_to_one_that_has_less_there() {
    let mut admission = Admission::new(share(1, 100));
    let own = share(1, 4);
    for ticket in 0..5 {
        admission.arrive(ticket, "f", "busy", own);
    }
    let full = Arrival::Refused { waiting: 4 };
    assert_eq!(admission.arrive(5, "f", "busy", own), full);
    for (ticket, pushed_out) in [(6, 4), (7, 3)] {
        let instead_of = Some(pushed_out);
        let arrived = admission.arrive(ticket, "f", "calm", own);
        assert_eq!(arrived, Arrival::Waits { instead_of });
    }
    // Both have two that wait: neither pushes out the other.
    assert_eq!(admission.arrive(8, "f", "calm", own), full);
    assert_eq!(admission.arrive(9, "f", "busy", own), full);
}

#[test]
fn a_function_that_fills_every_place_to_wait_gives_way_to_one_that_has_fewer() {
    let mut admission = Admission::new(share(1, 4));
    let own = share(1, 100);
    for ticket in 0..5 {
        admission.arrive(ticket, "busy", "k", own);
    }
    let instead_of = Some(4);
    let arrived = admission.arrive(5, "calm", "k", own);
    assert_eq!(arrived, Arrival::Waits { instead_of });
    assert_eq!(admission.leave("busy", true), [1]);
    assert_eq!(admission.leave("busy", true), [5]);
}

#[test]
fn those_that_would_run_but_for_the_ones_that_start_wait_beside_the_queue() {
    let mut admission = Admission::new(share(100, 100));
    let own = Share {
        starting: 2,
        ..share(4, 1)
    };
    let arrive = |admission: &mut Admission, ticket| admission.arrive(ticket, "f", "k", own);
    assert_eq!(arrive(&mut admission, 1), Arrival::Runs);
    assert_eq!(arrive(&mut admission, 2), Arrival::Runs);
    // Two for whom there would be a place, and one in the queue.
    for ticket in 3..=5 {
        assert_eq!(arrive(&mut admission, ticket), WAITS);
    }
    assert_eq!(arrive(&mut admission, 6), Arrival::Refused { waiting: 3 });
    assert_eq!(admission.started("f"), [3]);
    assert_eq!(admission.leave("f", true), [4]);
    assert_eq!(admission.started("f"), [5]);
    assert_eq!(admission.of("f"), (4, 0));
    assert!(admission.started("f").is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Arrive { function: u8, key: u8 },
    Started { nth: usize },
    Leave { nth: usize },
    GiveUp { nth: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3u8, 0..3u8).prop_map(|(function, key)| Step::Arrive { function, key }),
        2 => (0..10usize).prop_map(|nth| Step::Started { nth }),
        2 => (0..10usize).prop_map(|nth| Step::Leave { nth }),
        1 => (0..10usize).prop_map(|nth| Step::GiveUp { nth }),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn bounds_hold_nobody_is_lost_and_room_is_never_left_to_those_who_wait(steps in steps()) {
        let mut admission = Admission::new(ALL);
        let own = Share { starting: 1, ..share(2, 4) };
        // Whose it is, and whether it starts.
        let mut running: Vec<(String, bool)> = Vec::new();
        let mut waiting: HashMap<Ticket, (String, String)> = HashMap::new();
        for (ticket, step) in (0..).zip(steps) {
            match step {
                Step::Arrive { function, key } => {
                    let (function, key) = (function.to_string(), key.to_string());
                    match admission.arrive(ticket, &function, &key, own) {
                        Arrival::Runs => running.push((function, true)),
                        Arrival::Waits { instead_of } => {
                            if let Some(pushed_out) = instead_of {
                                waiting.remove(&pushed_out).expect("it waited");
                            }
                            waiting.insert(ticket, (function, key));
                        }
                        Arrival::Refused { waiting: told } => {
                            let of_function = |name: &str| waiting.values().filter(|(f, _)| f == name).count();
                            let of_key = |name: &str| {
                                waiting.values().filter(|(f, k)| *f == function && k == name).count()
                            };
                            let own = of_function(&function);
                            prop_assert!(own >= 4 || waiting.len() == 6);
                            prop_assert!(told as usize == own || told == 6);
                            // Nobody has more there than whoever is refused would have.
                            for other in ["0", "1", "2"] {
                                prop_assert!(of_key(other) <= of_key(&key) + 1);
                                prop_assert!(own >= 4 || of_function(other) <= own + 1);
                            }
                        }
                    }
                }
                Step::Started { nth } if !running.is_empty() => {
                    let nth = nth % running.len();
                    let (function, starts) = running[nth].clone();
                    if starts {
                        running[nth].1 = false;
                        for called in admission.started(&function) {
                            let (function, _) = waiting.remove(&called).expect("it waited");
                            running.push((function, true));
                        }
                    }
                }
                Step::Leave { nth } if !running.is_empty() => {
                    let (function, starts) = running.swap_remove(nth % running.len());
                    for called in admission.leave(&function, starts) {
                        let (function, _) = waiting.remove(&called).expect("it waited");
                        running.push((function, true));
                    }
                }
                Step::GiveUp { nth } if !waiting.is_empty() => {
                    let mut tickets: Vec<_> = waiting.keys().copied().collect();
                    tickets.sort_unstable();
                    let ticket = tickets[nth % tickets.len()];
                    let (function, key) = waiting.remove(&ticket).unwrap();
                    admission.give_up(ticket, &function, &key);
                }
                Step::Started { .. } | Step::Leave { .. } | Step::GiveUp { .. } => {}
            }
            prop_assert!(running.len() <= 3 && waiting.len() <= 6);
            for function in ["0", "1", "2"] {
                let runs = running.iter().filter(|(f, _)| f == function).count() as u32;
                let starts = running.iter().filter(|(f, starts)| f == function && *starts).count();
                let waits = waiting.values().filter(|(f, _)| f == function).count() as u32;
                prop_assert_eq!(admission.of(function), (runs, waits));
                prop_assert!(runs <= 2 && starts <= 1 && waits <= 6);
                // Somebody waits only because there is no room.
                prop_assert!(waits == 0 || runs == 2 || starts == 1 || running.len() == 3);
            }
        }
        // Everybody gets a turn in the end.
        while let Some((function, starts)) = running.pop() {
            for called in admission.leave(&function, starts) {
                let (function, _) = waiting.remove(&called).expect("it waited");
                running.push((function, true));
            }
        }
        prop_assert!(waiting.is_empty());
        prop_assert!(admission.lines.is_empty() && admission.turns.is_empty());
    }
}
