//! Snapshots and forks on the fake engine: who is left, and who is not, when something goes wrong.

use std::{fs, time::Duration};

use thaw_pool_manager::{
    AdminError, Fork, Lease, LeaseError, LeaseId, LeaseRequest, Node as _, NodeLimits,
    NodeSnapshots as _, NodeVms as _, SnapshotError, SnapshotId, StoredSnapshot, TemplateSelector,
    vmm::FakeEngine,
};
use tokio::time::timeout;

use crate::support::{World, limits};

const SOON: Duration = Duration::from_secs(30);

fn id(name: &str) -> SnapshotId {
    SnapshotId::try_from(name.to_owned()).unwrap()
}

async fn parent(world: &World) -> LeaseId {
    let lease = world.lease().await.unwrap();
    world.node.keep(&lease.id).await.unwrap();
    say(world, &lease.id, &["remember", "this"]).await;
    lease.id
}

async fn say(world: &World, vm: &LeaseId, words: &[&str]) -> String {
    let ran = world.run(vm, words).await.unwrap();
    assert!(ran.ok(), "{words:?}: {ran:?}");
    String::from_utf8(ran.stdout.to_vec()).unwrap()
}

async fn restore(world: &World, snapshot: &str, within: Duration) -> Result<Lease, LeaseError> {
    let request = LeaseRequest {
        template: TemplateSelector::Snapshot(id(snapshot)),
        start_within: within,
    };
    world.node.lease(request).await
}

async fn fork(world: &World, vm: &LeaseId, count: u32) -> Result<Fork, SnapshotError> {
    world.node.fork(vm, count, SOON).await
}

#[tokio::test]
async fn forks_remember_what_their_parent_does_and_are_called_otherwise() {
    let world = World::new().await;
    let parent = parent(&world).await;
    let forked = fork(&world, &parent, 3).await.unwrap();
    assert_eq!(forked.leases.len(), 3);
    for lease in &forked.leases {
        assert_eq!(say(&world, &lease.id, &["recall"]).await, "this");
        assert_eq!(
            say(&world, &lease.id, &["hostname"]).await,
            lease.id.as_str()
        );
    }
    let child = &forked.leases[0].id;
    say(&world, child, &["remember", "that"]).await;
    let grandchild = fork(&world, child, 1).await.unwrap().leases.remove(0);
    assert_eq!(say(&world, &grandchild.id, &["recall"]).await, "that");
    assert_eq!(say(&world, &parent, &["recall"]).await, "this");
    for lease in forked.leases.iter().chain([&grandchild]) {
        world.node.release(&lease.id);
    }
    world.node.release(&parent);
    world.close().await;
}

#[tokio::test]
async fn restores_take_the_shells_that_wait_and_the_pool_makes_others() {
    let world = World::new().await;
    let parent = parent(&world).await;
    world.node.snapshot(&parent, &id("kept")).await.unwrap();
    world.full().await;
    let one = restore(&world, "kept", SOON).await.unwrap();
    assert_eq!(copies(&world).await, (1, 0));
    world.full().await;
    let forked = fork(&world, &parent, 10).await.unwrap();
    let (into_waiting, into_spawned) = copies(&world).await;
    assert_eq!(into_waiting + into_spawned, 11);
    assert!(into_waiting >= 3, "{into_waiting} into shells that waited");
    // There are new ones, and the clones that are parked were left alone.
    world.full().await;
    for lease in forked.leases.iter().chain([&one]) {
        assert_eq!(say(&world, &lease.id, &["recall"]).await, "this");
        world.node.release(&lease.id);
    }
    world.node.release(&parent);
    world.close().await;
}

#[tokio::test]
async fn a_pool_without_shells_has_them_spawned_for_restores() {
    let limits = NodeLimits {
        spare_shells: 0,
        ..limits()
    };
    let world = World::with(limits, FakeEngine::default()).await;
    let parent = parent(&world).await;
    world
        .pool_is(|pool| pool.parked == 2 && pool.shells == 0 && pool.starting == 0)
        .await;
    let forked = fork(&world, &parent, 10).await.unwrap();
    assert_eq!(copies(&world).await, (0, 10));
    for lease in &forked.leases {
        assert_eq!(say(&world, &lease.id, &["recall"]).await, "this");
        world.node.release(&lease.id);
    }
    world.node.release(&parent);
    world.close().await;
}

/// How many were restored into shells that waited, and how many into others.
async fn copies(world: &World) -> (u64, u64) {
    let figures = world.node.figures().await;
    (figures.copies_into_waiting, figures.copies_into_spawned)
}

#[tokio::test]
async fn of_forks_that_do_not_all_succeed_none_is_left_and_the_parent_goes_on() {
    let world = World::new().await;
    let parent = parent(&world).await;
    world
        .engine
        .faults(|faults| faults.restore_failures = 1_000_000);
    let failed = fork(&world, &parent, 3).await;
    assert!(
        matches!(failed, Err(SnapshotError::Lease(LeaseError::Restore(_)))),
        "{failed:?}"
    );
    world.engine.faults(|faults| faults.restore_failures = 0);
    assert_eq!(say(&world, &parent, &["recall"]).await, "this");

    // One that takes too long, and one whose caller leaves.
    world.engine.faults(|faults| faults.restore_delay = SOON);
    let late = world.node.fork(&parent, 2, Duration::from_millis(50)).await;
    assert!(
        matches!(late, Err(SnapshotError::Lease(LeaseError::TimedOut(_)))),
        "{late:?}"
    );
    let left = timeout(Duration::from_millis(50), fork(&world, &parent, 2)).await;
    assert!(left.is_err());
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::ZERO);
    assert_eq!(say(&world, &parent, &["recall"]).await, "this");
    world.node.release(&parent);
    // Looks for what is left.
    world.close().await;
}

#[tokio::test]
async fn more_forks_than_there_is_room_for_are_refused_with_the_bound() {
    let limits = NodeLimits {
        vmms: 6,
        ..limits()
    };
    let world = World::with(limits, FakeEngine::default()).await;
    let parent = parent(&world).await;
    for count in [0, 7] {
        let refused = fork(&world, &parent, count).await;
        let most = matches!(refused, Err(SnapshotError::Count { most: 6 }));
        assert!(most, "{refused:?}");
    }
    let within = Duration::from_millis(200);
    let full = world.node.fork(&parent, 6, within).await;
    assert!(matches!(full, Err(SnapshotError::Lease(_))), "{full:?}");
    assert_eq!(say(&world, &parent, &["recall"]).await, "this");
    world.node.release(&parent);
    world.close().await;
}

#[tokio::test]
async fn a_snapshot_outlives_its_vm_and_the_node_and_keeps_its_template() {
    let world = World::new().await;
    let parent = parent(&world).await;
    let taken = world.node.snapshot(&parent, &id("kept")).await.unwrap();
    let again = world.node.snapshot(&parent, &id("kept")).await;
    assert!(matches!(again, Err(SnapshotError::Exists(_))), "{again:?}");
    world.node.release(&parent);
    let world = world.restart().await;
    let found = world.node.snapshots().await;
    assert!(matches!(&found[..], [StoredSnapshot::Usable(info)] if info.id == taken.id));
    let kept = world.node.remove_template(&taken.template).await;
    assert!(matches!(kept, Err(AdminError::InUse { .. })), "{kept:?}");

    for _ in 0..2 {
        let lease = restore(&world, "kept", SOON).await.unwrap();
        assert_eq!(say(&world, &lease.id, &["recall"]).await, "this");
        world.node.release(&lease.id);
    }
    let gone = restore(&world, "never-taken", SOON).await;
    assert!(
        matches!(gone, Err(LeaseError::UnknownSnapshot(_))),
        "{gone:?}"
    );
    world.node.remove_snapshot(&id("kept")).await.unwrap();
    let gone = world.node.remove_snapshot(&id("kept")).await;
    assert!(matches!(gone, Err(AdminError::NotFound { .. })), "{gone:?}");
    world.close().await;
}

#[tokio::test]
async fn a_snapshot_is_not_removed_while_it_is_restored() {
    let world = World::new().await;
    let parent = parent(&world).await;
    world.node.snapshot(&parent, &id("kept")).await.unwrap();
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::from_millis(300));
    let restoring = restore(&world, "kept", SOON);
    let removing = async {
        // Not before the other has begun.
        tokio::task::yield_now().await;
        world.node.remove_snapshot(&id("kept")).await
    };
    let (restored, removed) = tokio::join!(biased; restoring, removing);
    assert!(
        matches!(removed, Err(AdminError::InUse { .. })),
        "{removed:?}"
    );
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::ZERO);
    world.node.release(&restored.unwrap().id);
    world.node.remove_snapshot(&id("kept")).await.unwrap();
    world.node.release(&parent);
    world.close().await;
}

#[tokio::test]
async fn a_snapshot_that_turns_out_to_be_damaged_is_refused_from_then_on() {
    let world = World::new().await;
    let parent = parent(&world).await;
    for name in ["damaged", "sound"] {
        world.node.snapshot(&parent, &id(name)).await.unwrap();
    }
    let folder = world.root.folder.path().join("snapshots/damaged");
    fs::write(folder.join("delta.bin"), "no delta").unwrap();
    let refused = restore(&world, "damaged", SOON).await;
    let Err(LeaseError::BadSnapshot { reason, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("thaw snapshot rm damaged"), "{reason}");
    let found = world.node.snapshots().await;
    let unusable: Vec<_> = found
        .iter()
        .filter(|one| one.unusable().is_some())
        .collect();
    assert!(matches!(&unusable[..], [one] if *one.id() == id("damaged")));
    let lease = restore(&world, "sound", SOON).await.unwrap();
    assert_eq!(say(&world, &lease.id, &["recall"]).await, "this");
    world.node.release(&lease.id);
    world.node.release(&parent);
    world.close().await;
}
