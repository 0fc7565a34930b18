//! Copies of real guests, restored into shells that wait and into others.

use std::time::Duration;

use crate::world::{World, shell};
use thaw_pool_manager::{
    LeaseId, LeaseRequest, Node as _, NodeSnapshots as _, NodeVms as _, SnapshotId,
    TemplateSelector,
};

const WITHIN: Duration = Duration::from_secs(120);

/// Prints what a guest's memory and its disk hold, after whatever of the disk was in memory is gone.
const LOOK: &str =
    "cat /dev/shm/memory; echo 3 > /proc/sys/vm/drop_caches; cat /disk; md5sum < /large";

#[tokio::test(flavor = "multi_thread")]
async fn ten_copies_at_once_take_the_shells_that_wait_and_hold_memory_and_disk_of_their_parent() {
    let world = World::filled().await;
    let parent = world.lease().await.unwrap().id;
    world.node.keep(&parent).await.unwrap();
    let write = "echo in memory > /dev/shm/memory; echo on disk > /disk; \
        head -c 4194304 /dev/urandom > /large; sync";
    assert!(world.run(&parent, shell(write)).await.unwrap().ok());
    let expected = look(&world, &parent).await;
    assert!(expected.starts_with("in memory\non disk\n"), "{expected}");
    world.full().await;

    let forked = world.node.fork(&parent, 10, WITHIN).await.unwrap();
    let (into_waiting, into_spawned) = copies(&world).await;
    assert_eq!(into_waiting + into_spawned, 10);
    assert!(into_waiting >= 2, "{into_waiting} into shells that waited");
    for lease in &forked.leases {
        assert_eq!(look(&world, &lease.id).await, expected);
        world.node.release(&lease.id);
    }

    // The pool has made other shells; a snapshot takes one too.
    let id = SnapshotId::try_from("kept".to_owned()).unwrap();
    world.node.snapshot(&parent, &id).await.unwrap();
    world.full().await;
    let request = LeaseRequest {
        template: TemplateSelector::Snapshot(id),
        start_within: WITHIN,
    };
    let restored = world.node.lease(request).await.unwrap();
    assert_eq!(copies(&world).await, (into_waiting + 1, into_spawned));
    assert_eq!(look(&world, &restored.id).await, expected);
    world.node.release(&restored.id);
    world.node.release(&parent);
    world.close().await;
}

async fn look(world: &World, vm: &LeaseId) -> String {
    let ran = world.run(vm, shell(LOOK)).await.unwrap();
    assert!(ran.ok(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

/// How many were restored into shells that waited, and how many into others.
async fn copies(world: &World) -> (u64, u64) {
    let figures = world.node.figures().await;
    (figures.copies_into_waiting, figures.copies_into_spawned)
}
