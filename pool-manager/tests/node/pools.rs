//! Pools on the fake engine: starts that fail, VMMs that die, callers that leave, nodes that are full.

use std::time::Duration;

use crate::support::{World, limits, selector};
use thaw_pool_manager::{
    LeaseError, LeaseRequest, Node as _, NodeLimits, PoolSettings, StartKind, TemplateSelector,
    image::ProgressSink,
    vmm::{FakeEngine, Shape},
};
use tokio::time::timeout;

/// A world whose pool is full and idle.
async fn filled(limits: NodeLimits) -> World {
    let world = World::with(limits, FakeEngine::default()).await;
    let template = world
        .node
        .ensure_template(&selector(), &ProgressSink::none())
        .await
        .unwrap();
    assert_eq!(template.engine, "fake 1 (none)");
    world.full().await;
    world
}

#[tokio::test]
async fn a_parked_clone_or_shell_that_is_killed_is_replaced_and_never_handed_out() {
    let world = filled(limits()).await;
    let before = world.engine.live();
    assert_eq!(before.len(), 4);
    for id in &before {
        world.engine.kill(id);
    }
    let lease = world.lease().await.unwrap();
    assert!(before.iter().all(|id| id.as_str() != lease.id.as_str()));
    assert!(world.run(&lease.id, &["true"]).await.unwrap().ok());
    world.node.release(&lease.id);
    world.full().await;
    assert_eq!(world.node.figures().await.crashes, 4);
    world.close().await;
}

#[tokio::test]
async fn a_start_that_fails_once_is_tried_again_while_its_caller_waits() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    world.node.release(&lease.id);
    world.full().await;
    let leases = [world.lease().await.unwrap(), world.lease().await.unwrap()];
    world.engine.faults(|faults| faults.restore_failures = 1);
    let third = world.lease().await.unwrap();
    assert_eq!(third.start, StartKind::Restored);
    assert!(world.run(&third.id, &["true"]).await.unwrap().ok());
    assert_eq!(world.node.figures().await.restore_failures, 1);
    for lease in leases.iter().chain([&third]) {
        world.node.release(&lease.id);
    }
    world.close().await;
}

#[tokio::test]
async fn restores_that_keep_failing_turn_callers_away_until_they_work_again() {
    let world = filled(limits()).await;
    world.engine.faults(|faults| faults.restore_failures = 1000);
    let (first, second) = (world.lease().await.unwrap(), world.lease().await.unwrap());
    let refused = world.lease().await.unwrap_err();
    assert!(
        matches!(&refused, LeaseError::BackingOff { last_error, .. } if last_error.contains("a fault was injected")),
        "{refused:?}"
    );
    let pool = world.pool().await;
    assert!(pool.failures >= 3);
    assert!(pool.last_error.unwrap().contains("a fault was injected"));
    world.engine.faults(|faults| faults.restore_failures = 0);
    for lease in [first, second] {
        assert!(world.run(&lease.id, &["true"]).await.unwrap().ok());
        world.node.release(&lease.id);
    }
    let pool = world.full().await;
    assert_eq!(pool.failures, 0);
    world.close().await;
}

#[tokio::test]
async fn a_clone_that_fails_its_proof_is_never_parked() {
    let world = filled(limits()).await;
    world.engine.faults(|faults| faults.prove_failures = 2);
    for lease in [world.lease().await.unwrap(), world.lease().await.unwrap()] {
        world.node.release(&lease.id);
    }
    let pool = world.full().await;
    assert!(pool.last_error.unwrap().contains("proof"));
    world.close().await;
}

#[tokio::test]
async fn a_caller_that_leaves_while_it_waits_leaves_nothing_leased() {
    let world = filled(limits()).await;
    let leases = [world.lease().await.unwrap(), world.lease().await.unwrap()];
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::from_millis(200));
    let left = timeout(Duration::from_millis(50), world.lease()).await;
    assert!(left.is_err(), "{left:?}");
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::ZERO);
    for lease in leases {
        world.node.release(&lease.id);
    }
    world.full().await;
    world
        .pool_is(|pool| pool.leased == 0 && pool.waiting == 0)
        .await;
    world.close().await;
}

#[tokio::test]
async fn callers_beyond_the_limit_are_refused_and_those_that_wait_too_long_are_told() {
    let limits = NodeLimits {
        waiting: 2,
        ..limits()
    };
    let world = filled(limits).await;
    let leases = [world.lease().await.unwrap(), world.lease().await.unwrap()];
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::from_secs(5));
    let soon = Duration::from_millis(300);
    let (first, second, third) = tokio::join!(
        world.lease_within(soon),
        world.lease_within(soon),
        world.lease_within(soon)
    );
    assert!(
        matches!(first, Err(LeaseError::TimedOut(within)) if within == soon),
        "{first:?}"
    );
    assert!(matches!(second, Err(LeaseError::TimedOut(_))), "{second:?}");
    assert!(
        matches!(third, Err(LeaseError::Full { waiting: 2, .. })),
        "{third:?}"
    );
    for lease in leases {
        world.node.release(&lease.id);
    }
    world.close().await;
}

#[tokio::test]
async fn a_full_node_says_which_limit_is_reached() {
    let limits = NodeLimits {
        vmms: 3,
        ..limits()
    };
    let world = World::with(limits, FakeEngine::default()).await;
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(world.lease().await.unwrap());
    }
    let refused = world
        .lease_within(Duration::from_millis(100))
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            LeaseError::NodeFull {
                what: "VMs at once",
                limit: 3
            }
        ),
        "{refused:?}"
    );
    // Room that becomes free serves the caller that waits for it.
    let last = leases.pop().unwrap();
    let waiting = world.lease_within(Duration::from_secs(30));
    let releasing = async { world.node.release(&last.id) };
    let (lease, ()) = tokio::join!(waiting, releasing);
    leases.push(lease.unwrap());
    for lease in leases {
        world.node.release(&lease.id);
    }
    world.close().await;
}

#[tokio::test]
async fn a_pool_gives_up_what_is_idle_for_the_callers_of_another() {
    let limits = NodeLimits {
        vmms: 4,
        ..limits()
    };
    let world = filled(limits).await;
    let TemplateSelector::Image { image, .. } = selector() else {
        panic!("the selector names an image")
    };
    let other = TemplateSelector::Image {
        image,
        shape: Shape {
            vcpus: 2,
            memory_mib: 128,
        },
    };
    let request = LeaseRequest {
        template: other,
        start_within: Duration::from_secs(30),
    };
    let lease = world.node.lease(request).await.unwrap();
    assert!(world.run(&lease.id, &["true"]).await.unwrap().ok());
    world.node.release(&lease.id);
    world.close().await;
}

#[tokio::test]
async fn bounds_that_were_set_are_kept_across_a_restart_and_the_pool_fills_by_itself() {
    let world = World::new().await;
    let settings = PoolSettings {
        min: 3,
        max: 3,
        idle: Duration::from_secs(60),
    };
    let pool = world.node.set_pool(&selector(), settings).await.unwrap();
    assert_eq!(pool.settings, settings);
    let bad = PoolSettings { min: 4, ..settings };
    assert!(world.node.set_pool(&selector(), bad).await.is_err());
    let root = world.close().await;

    let world = World::open(root, limits(), FakeEngine::default()).await;
    while world.node.pools().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let pool = world.pool_is(|pool| pool.parked == 3).await;
    assert_eq!(pool.settings, settings);
    assert_eq!(world.lease().await.unwrap().start, StartKind::Parked);
    world.close().await;
}

#[tokio::test]
async fn a_pool_without_leases_shrinks_to_its_minimum() {
    let mut limits = limits();
    limits.pool = PoolSettings {
        min: 2,
        max: 8,
        idle: Duration::from_secs(30),
    };
    let world = filled(limits).await;
    tokio::time::pause();
    world
        .engine
        .faults(|faults| faults.prove_delay = Duration::from_millis(500));
    for _ in 0..60 {
        let lease = world.lease().await.unwrap();
        world.node.release(&lease.id);
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!(world.pool().await.target > 2);
    tokio::time::advance(Duration::from_secs(31)).await;
    let pool = world
        .pool_is(|pool| pool.parked == 2 && pool.starting == 0)
        .await;
    assert_eq!(pool.target, 2);
    world.close().await;
}

#[tokio::test]
async fn a_shutdown_turns_waiting_callers_away_and_ends_everything() {
    let world = filled(limits()).await;
    let _leases = [world.lease().await.unwrap(), world.lease().await.unwrap()];
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::from_secs(3600));
    let shutting = async {
        world.pool_is(|pool| pool.waiting == 1).await;
        world.node.shut_down().await;
    };
    let (refused, ()) = tokio::join!(world.lease(), shutting);
    assert!(
        matches!(refused, Err(LeaseError::ShuttingDown)),
        "{refused:?}"
    );
    assert!(matches!(world.lease().await, Err(LeaseError::ShuttingDown)));
    world.close().await;
}
