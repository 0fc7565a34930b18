//! VMs that stay: what is kept of them, and what is left when they go.

use std::{fs, time::Duration};

use thaw_pool_manager::{AdminError, LeaseId, Node as _, NodeVms as _, VmError, VmState};
use tokio::time::timeout;

use crate::support::World;

const SOON: Duration = Duration::from_secs(30);

async fn kept(world: &World) -> LeaseId {
    let lease = world.lease().await.unwrap();
    world.node.keep(&lease.id).await.unwrap();
    lease.id
}

async fn say(world: &World, vm: &LeaseId, words: &[&str]) -> String {
    let ran = world.run(vm, words).await.unwrap();
    assert!(ran.ok(), "{words:?}: {ran:?}");
    String::from_utf8(ran.stdout.to_vec()).unwrap()
}

async fn state(world: &World, vm: &LeaseId) -> Option<VmState> {
    let kept = world.node.kept().await;
    kept.into_iter()
        .find(|kept| kept.id == *vm)
        .map(|kept| kept.state)
}

fn disk(world: &World, vm: &LeaseId) -> bool {
    let folder = world.root.folder.path().join("vms").join(vm.as_str());
    folder.join("scratch.img").exists()
}

#[tokio::test]
async fn a_vm_that_stays_is_adopted_running_or_paused_as_it_was() {
    let world = World::new().await;
    let (runs, pauses) = (kept(&world).await, kept(&world).await);
    say(&world, &runs, &["remember", "this"]).await;
    say(&world, &pauses, &["remember", "that"]).await;
    world.node.pause(&pauses).await.unwrap();
    world.node.pause(&pauses).await.unwrap();
    let fleeting = world.lease().await.unwrap();
    assert!(world.run(&fleeting.id, &["true"]).await.unwrap().ok());

    let world = world.restart().await;
    assert_eq!(state(&world, &runs).await, Some(VmState::Running));
    assert_eq!(state(&world, &pauses).await, Some(VmState::Paused));
    assert_eq!(state(&world, &fleeting.id).await, None);
    assert_eq!(say(&world, &runs, &["recall"]).await, "this");
    assert_eq!(say(&world, &runs, &["hostname"]).await, runs.to_string());
    world.node.resume(&pauses).await.unwrap();
    assert_eq!(say(&world, &pauses, &["recall"]).await, "that");
    let in_use = world.node.remove_template(&fleeting.template).await;
    assert!(
        matches!(in_use, Err(AdminError::InUse { .. })),
        "{in_use:?}"
    );

    // And by the next one.
    let world = world.restart().await;
    assert_eq!(state(&world, &pauses).await, Some(VmState::Running));
    assert_eq!(say(&world, &pauses, &["recall"]).await, "that");
    for vm in [&runs, &pauses] {
        world.node.release(vm);
    }
    world.close().await;
}

#[tokio::test]
async fn a_pause_that_cant_be_recorded_is_undone_and_a_resume_has_happened() {
    let world = World::new().await;
    let vm = kept(&world).await;
    say(&world, &vm, &["remember", "this"]).await;
    // Another program holds the database for longer than a write waits for it.
    let path = world.root.folder.path().join("node.db");
    let other = rusqlite::Connection::open(path).unwrap();
    let hold = || other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let let_go = || other.execute_batch("ROLLBACK").unwrap();
    hold();
    let refused = world.node.pause(&vm).await.unwrap_err();
    assert!(matches!(refused, VmError::Storage { .. }), "{refused:?}");
    assert_eq!(state(&world, &vm).await, Some(VmState::Running));
    assert_eq!(say(&world, &vm, &["recall"]).await, "this");
    let_go();
    world.node.pause(&vm).await.unwrap();
    hold();
    world.node.resume(&vm).await.unwrap_err();
    assert_eq!(state(&world, &vm).await, Some(VmState::Running));
    assert_eq!(say(&world, &vm, &["recall"]).await, "this");
    let_go();
    let world = world.restart().await;
    assert_eq!(state(&world, &vm).await, Some(VmState::Running));
    world.node.pause(&vm).await.unwrap();
    world.node.resume(&vm).await.unwrap();
    world.node.release(&vm);
    world.close().await;
}

#[tokio::test]
async fn a_vm_that_is_powered_off_keeps_its_disk_and_nothing_else() {
    let world = World::new().await;
    let vm = kept(&world).await;
    say(&world, &vm, &["remember", "gone"]).await;
    say(&world, &vm, &["store", "kept"]).await;
    world.node.pause(&vm).await.unwrap();
    world.node.power_off(&vm).await.unwrap();
    world.node.power_off(&vm).await.unwrap();
    assert_eq!(state(&world, &vm).await, Some(VmState::Stopped));
    assert!(world.run(&vm, &["true"]).await.is_err());
    let process = vm.as_str().to_owned().try_into().unwrap();
    assert!(!world.engine.live().contains(&process));
    for refused in [world.node.pause(&vm).await, world.node.resume(&vm).await] {
        let Err(VmError::State { state, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(state, VmState::Stopped);
    }

    let world = world.restart().await;
    assert_eq!(state(&world, &vm).await, Some(VmState::Stopped));
    world.node.boot(&vm).await.unwrap();
    assert_eq!(say(&world, &vm, &["load"]).await, "kept");
    assert_eq!(say(&world, &vm, &["recall"]).await, "");
    assert_eq!(say(&world, &vm, &["hostname"]).await, vm.to_string());
    let again = world.node.boot(&vm).await;
    assert!(matches!(again, Err(VmError::State { .. })), "{again:?}");

    // What was booted is adopted, too.
    say(&world, &vm, &["remember", "still"]).await;
    let world = world.restart().await;
    assert_eq!(say(&world, &vm, &["recall"]).await, "still");
    world.node.release(&vm);
    world.close().await;
}

#[tokio::test]
async fn a_guest_that_does_not_power_off_is_killed_and_keeps_its_disk() {
    let world = World::new().await;
    let vm = kept(&world).await;
    say(&world, &vm, &["store", "kept"]).await;
    world
        .engine
        .faults(|faults| faults.shutdown_delay = Duration::from_secs(3600));
    timeout(SOON, world.node.power_off(&vm))
        .await
        .unwrap()
        .unwrap();
    world.engine.faults(|faults| faults.boot_failures = 1);
    let failed = world.node.boot(&vm).await;
    assert!(matches!(failed, Err(VmError::Control { .. })), "{failed:?}");
    assert_eq!(state(&world, &vm).await, Some(VmState::Stopped));
    world.node.boot(&vm).await.unwrap();
    assert_eq!(say(&world, &vm, &["load"]).await, "kept");
    world.node.release(&vm);
    world.close().await;
}

#[tokio::test]
async fn what_ended_while_no_daemon_ran_or_with_the_host_is_stopped() {
    let world = World::new().await;
    let (dies, lives) = (kept(&world).await, kept(&world).await);
    say(&world, &dies, &["store", "kept"]).await;
    let (root, engine) = world.stop().await;
    let process = dies.as_str().to_owned().try_into().unwrap();
    assert_eq!(engine.live().len(), 2);
    engine.kill(&process);
    let world = World::open(root, crate::support::limits(), engine).await;
    assert_eq!(state(&world, &dies).await, Some(VmState::Stopped));
    assert_eq!(state(&world, &lives).await, Some(VmState::Running));
    world.node.boot(&dies).await.unwrap();
    assert_eq!(say(&world, &dies, &["load"]).await, "kept");

    let (root, engine) = world.stop().await;
    engine.reboot();
    let world = World::open(root, crate::support::limits(), engine).await;
    for vm in [&dies, &lives] {
        assert_eq!(state(&world, vm).await, Some(VmState::Stopped));
        assert!(disk(&world, vm));
        world.node.release(vm);
    }
    world.close().await;
}

#[tokio::test]
async fn a_vm_that_ends_by_itself_is_stopped_and_says_why() {
    let world = World::new().await;
    let mut events = world.node.vm_events();
    let cases = [
        ("crash", "signal 9"),
        ("panic", "panicked"),
        ("poweroff", "powered off"),
        ("garbage", "reached or trusted"),
    ];
    let mut vms = Vec::new();
    for (program, reason) in cases {
        let vm = kept(&world).await;
        let ended = world.run(&vm, &[program]).await;
        assert!(ended.is_err(), "{program}: {ended:?}");
        let event = timeout(SOON, events.recv()).await.unwrap().unwrap();
        assert_eq!((&event.id, event.state), (&vm, VmState::Stopped));
        assert!(event.reason.contains(reason), "{program}: {}", event.reason);
        assert_eq!(state(&world, &vm).await, Some(VmState::Stopped));
        assert!(disk(&world, &vm));
        vms.push(vm);
    }
    // What is asked for is no event.
    let vm = kept(&world).await;
    world.node.power_off(&vm).await.unwrap();
    world.node.boot(&vm).await.unwrap();
    world.node.release(&vm);
    for vm in &vms {
        world.node.release(vm);
    }
    let world = world.restart().await;
    assert_eq!(world.node.kept().await, []);
    assert!(events.try_recv().is_err());
    world.close().await;
}

#[tokio::test]
async fn a_release_in_any_state_leaves_no_disk_row_or_process() {
    let world = World::new().await;
    let mut vms = Vec::new();
    for _ in 0..4 {
        vms.push(kept(&world).await);
    }
    world.node.pause(&vms[1]).await.unwrap();
    world.node.power_off(&vms[2]).await.unwrap();
    // One that is being booted.
    world.node.power_off(&vms[3]).await.unwrap();
    world
        .engine
        .faults(|faults| faults.boot_delay = Duration::from_secs(3600));
    let boots = world.node.boot(&vms[3]);
    let releases = async {
        tokio::task::yield_now().await;
        for vm in &vms {
            world.node.release(vm);
        }
    };
    let (booted, ()) = timeout(SOON, async { tokio::join!(boots, releases) })
        .await
        .unwrap();
    assert!(matches!(booted, Err(VmError::Unknown(_))), "{booted:?}");
    for vm in &vms {
        assert_eq!(state(&world, vm).await, None);
        let gone = world.node.pause(vm).await;
        assert!(matches!(gone, Err(VmError::Unknown(_))), "{gone:?}");
    }
    let world = world.restart().await;
    assert_eq!(world.node.kept().await, []);
    let left = fs::read_dir(world.root.folder.path().join("vms")).unwrap();
    assert_eq!(left.count(), 0);
    world.close().await;
}

#[tokio::test]
async fn a_vm_that_is_released_while_it_is_kept_is_gone() {
    let world = World::new().await;
    for _ in 0..8 {
        let lease = world.lease().await.unwrap();
        let (kept, ()) = tokio::join!(world.node.keep(&lease.id), async {
            tokio::task::yield_now().await;
            world.node.release(&lease.id);
        });
        assert!(kept.is_err());
    }
    let world = world.restart().await;
    assert_eq!(world.node.kept().await, []);
    world.close().await;
}

#[tokio::test]
async fn a_disk_without_a_row_and_a_row_without_a_disk_are_removed_at_the_start() {
    let world = World::new().await;
    let (whole, torn) = (kept(&world).await, kept(&world).await);
    let (root, engine) = world.stop().await;
    let vms = root.folder.path().join("vms");
    fs::create_dir(vms.join("vm-0123456789ab")).unwrap();
    fs::write(vms.join("vm-0123456789ab/scratch.img"), "half").unwrap();
    fs::remove_dir_all(vms.join(torn.as_str())).unwrap();
    let world = World::open(root, crate::support::limits(), engine).await;
    let kept: Vec<_> = world
        .node
        .kept()
        .await
        .into_iter()
        .map(|vm| vm.id)
        .collect();
    assert_eq!(kept, std::slice::from_ref(&whole));
    assert_eq!(fs::read_dir(&vms).unwrap().count(), 1);
    assert!(disk(&world, &whole));
    let torn = torn.as_str().to_owned().try_into().unwrap();
    assert!(!world.engine.live().contains(&torn));
    world.node.release(&whole);
    world.close().await;
}
