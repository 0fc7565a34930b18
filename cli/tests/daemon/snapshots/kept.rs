//! Snapshots that are kept: named, restored, removed, and what they keep from being removed.

use nix::sys::signal::Signal;

use super::world::{PARENT, World, refused};

#[test]
fn a_snapshot_is_restored_as_often_as_one_likes_long_after_its_machine_is_gone() {
    let mut world = World::with_parent();
    let id = world
        .daemon
        .says(&["vm", "snapshot", PARENT, "before", "--meta", "why=\"test\""]);
    let id = id.trim();
    world.add(PARENT, 1000);
    world.shell(PARENT, "echo lost > /root/file");
    let taken = world.snapshots().remove(0);
    assert_eq!((taken.id.as_str(), taken.name.as_str()), (id, "before"));
    assert_eq!(taken.metadata["why"], "test");
    assert!(
        taken.paused_us > 0 && taken.paused_us < taken.total_us,
        "{taken:?}"
    );
    assert!(
        taken.memory_bytes > 0 && taken.disk_bytes > taken.memory_bytes,
        "{taken:?}"
    );

    world.wait(world.client.delete_vm(PARENT)).unwrap();
    world.restart(Signal::SIGKILL);
    for (number, name) in ["first", "second", "third"].into_iter().enumerate() {
        let vm = world
            .daemon
            .says(&["snapshot", "restore", "before", "--name", name]);
        assert!(!vm.trim().is_empty());
        assert_eq!(world.add(name, number as i64), 101 + number as i64);
        assert_eq!(world.files(name), "memory\ndisk\n");
        assert_eq!(world.shell(name, "echo $COLOUR"), "green\n");
        let info = world.wait(world.client.vm(name)).unwrap();
        assert_eq!(info.snapshot.as_deref(), Some(id));
        assert_eq!(info.metadata["why"], "test");
    }

    // Two names for one, none for two.
    let (code, _) = refused(world.try_snapshot("first", "before"));
    assert_eq!(code, "snapshot_name_taken");
    world
        .daemon
        .says(&["snapshot", "rename", "before", "after"]);
    assert!(world.daemon.says(&["snapshot", "ls"]).contains("after"));

    // It is taken away under those that were restored from it.
    world.daemon.says(&["snapshot", "rm", "after"]);
    assert_eq!(world.folders(), [""; 0]);
    assert_eq!(world.add("third", 1), 104);
    let (code, _) = refused(world.restore(id, "fourth"));
    assert_eq!(code, "snapshot_not_found");
    world.nothing_is_left();
}

#[test]
fn what_a_snapshot_needs_is_not_removed() {
    let mut world = World::with_parent();
    let template = world.snapshot(PARENT, "kept").template;
    world.wait(world.client.delete_vm(PARENT)).unwrap();
    world.restart(Signal::SIGTERM);
    for words in [["template", "rm", &template], ["image", "rm", "python"]] {
        let refused = world.daemon.thaw(&words);
        let said = crate::support::text(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains("in use"),
            "{said}"
        );
    }
    world.restore("kept", "restored").unwrap();
    assert_eq!(world.add("restored", 1), 102);
    world.nothing_is_left();
}

#[test]
fn a_snapshot_that_is_being_restored_is_not_removed_and_one_being_removed_not_restored() {
    let world = World::with_parent();
    for round in 0..4 {
        let id = world.snapshot(PARENT, "raced").id;
        let name = format!("restored {round}");
        let request = thaw_api_types::CreateVmRequest {
            snapshot: Some(id.clone()),
            name: Some(name.clone()),
            ..thaw_api_types::CreateVmRequest::default()
        };
        let restoring = world.begin(|client| async move { client.create_vm(&request).await });
        let removed = world.wait(world.client.delete_snapshot(&id));
        let restored = world.wait(restoring).unwrap();
        match (&removed, &restored) {
            (Err(_), Ok(_)) => assert_eq!(refused(removed).0, "snapshot_in_use"),
            (Ok(()), Err(_)) => assert_eq!(refused(restored).0, "snapshot_not_found"),
            // One after the other.
            (Ok(()), Ok(_)) => {}
            (Err(_), Err(_)) => panic!("{removed:?} {restored:?}"),
        }
        if world
            .vms()
            .iter()
            .any(|vm| vm.name.as_deref() == Some(&name))
        {
            assert_eq!(world.add(&name, 1), 102);
            world.wait(world.client.delete_vm(&name)).unwrap();
        }
        if !world.snapshots().is_empty() {
            world.wait(world.client.delete_snapshot(&id)).unwrap();
        }
    }
    world.nothing_is_left();
}
