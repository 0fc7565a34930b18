//! Daemons that end in an orderly way.

use std::{collections::BTreeSet, fs, time::Duration};

use thaw_pool_manager::{LeaseId, Node as _, NodeVms as _, VmState};
use tokio::time::timeout;

use crate::world::{World, shell};

const SOON: Duration = Duration::from_secs(60);

/// Starts a program that lives on by itself, and writes a file.
const LIVE_ON: &str = "sleep 100000 >/dev/null 2>&1 </dev/null & echo $! >/etc/pid; echo kept >/etc/file; cat /proc/$(cat /etc/pid)/comm";

pub(super) async fn say(world: &World, vm: &LeaseId, line: &str) -> String {
    let ran = world.run(vm, shell(line)).await.unwrap();
    assert!(ran.ok(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

async fn state(world: &World, vm: &LeaseId) -> Option<VmState> {
    let kept = world.node.kept().await;
    kept.into_iter()
        .find(|kept| kept.id == *vm)
        .map(|kept| kept.state)
}

async fn kept(world: &World) -> LeaseId {
    let lease = world.lease().await.unwrap();
    world.node.keep(&lease.id).await.unwrap();
    assert_eq!(say(world, &lease.id, LIVE_ON).await, "sleep\n");
    lease.id
}

fn pid_of(world: &World, vm: &LeaseId) -> nix::unistd::Pid {
    let vmms = world.vmms();
    let found = vmms.iter().find(|(id, _)| id == vm.as_str());
    found.unwrap().1
}

/// No VMM has a capability, can get one, or may make more than the system calls that it needs.
fn all_are_confined(world: &World) {
    for (id, pid) in world.vmms() {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            continue;
        };
        for line in [
            "CapEff:\t0000000000000000",
            "CapPrm:\t0000000000000000",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
        ] {
            assert!(status.lines().any(|found| found == line), "{id}: {status}");
        }
    }
}

/// Every VMM has a uid of its own, whoever started it.
fn no_uid_is_shared(world: &World) {
    let mut uids = BTreeSet::new();
    for (id, pid) in world.vmms() {
        // One that is being ended may be gone by now.
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            continue;
        };
        let uid = status
            .lines()
            .find(|line| line.starts_with("Uid:"))
            .unwrap();
        assert!(uids.insert(uid.to_owned()), "{id} shares its {uid}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_that_stays_goes_on_under_the_next_daemon() {
    let world = World::filled().await;
    let (runs, pauses) = (kept(&world).await, kept(&world).await);
    world.node.pause(&pauses).await.unwrap();
    let pids = [pid_of(&world, &runs), pid_of(&world, &pauses)];
    let fleeting = world.lease().await.unwrap().id;

    let root = world.stop().await;
    let left: BTreeSet<_> = root.vmms().into_iter().map(|(_, pid)| pid).collect();
    assert_eq!(left, BTreeSet::from(pids), "only VMs that stay are left");

    let world = World::open(root).await;
    assert_eq!(state(&world, &runs).await, Some(VmState::Running));
    assert_eq!(state(&world, &pauses).await, Some(VmState::Paused));
    assert_eq!(state(&world, &fleeting).await, None);
    let lives = "cat /proc/$(cat /etc/pid)/comm /etc/file; hostname";
    let expected = |vm: &LeaseId| format!("sleep\nkept\n{vm}\n");
    assert_eq!(say(&world, &runs, lives).await, expected(&runs));
    world.node.resume(&pauses).await.unwrap();
    assert_eq!(say(&world, &pauses, lives).await, expected(&pauses));
    assert_eq!(pids, [pid_of(&world, &runs), pid_of(&world, &pauses)]);
    // New VMMs keep off the uids of those that were adopted.
    assert!(world.once("true").await.unwrap().ok());
    no_uid_is_shared(&world);
    // A VMM confines itself before it listens, not before it is there.
    world.full().await;
    all_are_confined(&world);

    // One is killed while no daemon runs.
    let root = world.stop().await;
    assert_eq!(root.kill(|id| id == runs.as_str()), 1);
    let world = World::open(root).await;
    assert_eq!(state(&world, &runs).await, Some(VmState::Stopped));
    assert_eq!(state(&world, &pauses).await, Some(VmState::Running));

    for vm in [&runs, &pauses] {
        world.node.release(vm);
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_is_powered_off_and_booted_from_its_own_disk() {
    let world = World::filled().await;
    let mut events = world.node.vm_events();
    let vm = kept(&world).await;
    let machine_id = say(&world, &vm, "cat /etc/machine-id").await;
    // Not written back yet: powering off does that.
    say(
        &world,
        &vm,
        "echo fresh >/etc/fresh; echo 10.1.2.3 friend >>/etc/hosts",
    )
    .await;
    world.node.pause(&vm).await.unwrap();
    world.node.power_off(&vm).await.unwrap();
    assert_eq!(state(&world, &vm).await, Some(VmState::Stopped));
    assert!(world.vmms().iter().all(|(id, _)| id != vm.as_str()));

    world.node.boot(&vm).await.unwrap();
    let found = say(&world, &vm, "cat /etc/file /etc/fresh; hostname").await;
    assert_eq!(found, format!("kept\nfresh\n{vm}\n"));
    let hosts = say(&world, &vm, "cat /etc/machine-id /etc/hosts").await;
    assert!(hosts.starts_with(&machine_id), "{hosts}");
    assert!(
        hosts.contains(vm.as_str()) && hosts.ends_with("friend\n"),
        "{hosts}"
    );
    let gone = world
        .run(&vm, shell("cat /proc/[0-9]*/comm | grep -x sleep"))
        .await;
    assert!(!gone.unwrap().ok(), "a program survived the power-off");

    // What was booted is adopted as what was restored is.
    say(&world, &vm, LIVE_ON).await;
    let root = world.stop().await;
    let world = World::open(root).await;
    assert_eq!(state(&world, &vm).await, Some(VmState::Running));
    assert_eq!(
        say(&world, &vm, "cat /proc/$(cat /etc/pid)/comm").await,
        "sleep\n"
    );
    assert!(events.try_recv().is_err(), "what is asked for is no event");

    // The guest goes by itself.
    let mut events = world.node.vm_events();
    say(&world, &vm, "sync").await;
    let _ = world
        .run(&vm, shell("echo o >/proc/sysrq-trigger; sleep 60"))
        .await;
    let event = timeout(SOON, events.recv()).await.unwrap().unwrap();
    assert_eq!((&event.id, event.state), (&vm, VmState::Stopped));
    world.node.boot(&vm).await.unwrap();
    let _ = world
        .run(&vm, shell("echo c >/proc/sysrq-trigger; sleep 60"))
        .await;
    let event = timeout(SOON, events.recv()).await.unwrap().unwrap();
    assert!(event.reason.contains("panicked"), "{}", event.reason);
    world.node.boot(&vm).await.unwrap();
    assert_eq!(say(&world, &vm, "cat /etc/file").await, "kept\n");
    world.node.release(&vm);
    world.close().await;
}
