//! Daemons that are killed in the middle of a snapshot, a fork and a restore.

use std::{sync::mpsc, time::Duration};

use nix::sys::signal::Signal;
use thaw_api_types::{CreateVmRequest, ForkVmRequest, TakeSnapshotRequest, client::Client};

use super::world::{PARENT, World};

/// The last of the daemons that are killed. It is given the time that it needs.
const LAST_KILL: u64 = 8;

/// Has something done whose daemon is killed meanwhile, later each time; what it did is acknowledged or not.
fn killed_in_the_middle<F>(
    world: &mut World,
    step: u64,
    mut act: impl FnMut(Client, u64) -> F,
) -> Vec<u64>
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut acknowledged = Vec::new();
    for kill in 0..=LAST_KILL {
        let (done, ended) = mpsc::sync_channel(1);
        let acting = act(world.client.clone(), kill);
        let acting = world.begin(|_| async move {
            let acknowledged = acting.await;
            let _ = done.send(());
            acknowledged
        });
        let moment = match kill {
            LAST_KILL => Duration::from_secs(120),
            kill => Duration::from_millis(step * kill),
        };
        let _ = ended.recv_timeout(moment);
        world.restart(Signal::SIGKILL);
        if world.wait(acting).unwrap() {
            acknowledged.push(kill);
        }
        // Nothing is lost: the one that was there before goes on.
        assert_eq!(world.add(PARENT, 0), 101);
    }
    assert!(acknowledged.contains(&LAST_KILL));
    acknowledged
}

#[test]
fn of_snapshots_that_are_taken_while_the_daemon_is_killed_those_that_were_told_of_are_there() {
    let mut world = World::with_parent();
    let told_of = killed_in_the_middle(&mut world, 40, |client, kill| async move {
        let request = TakeSnapshotRequest {
            name: format!("kill {kill}"),
            metadata: None,
        };
        client.take_snapshot(PARENT, &request).await.is_ok()
    });
    let there = world.snapshots();
    for kill in told_of {
        let name = format!("kill {kill}");
        assert!(
            there.iter().any(|found| found.name == name),
            "{name} is not there"
        );
    }
    // What is there is whole, and nothing else is.
    let mut folders = world.folders();
    folders.sort();
    let mut ids: Vec<_> = there.iter().map(|found| found.id.clone()).collect();
    ids.sort();
    assert_eq!(folders, ids);
    for found in there {
        world.restore(&found.id, "restored").unwrap();
        assert_eq!(world.add("restored", 1), 102);
        world.wait(world.client.delete_vm("restored")).unwrap();
    }
    world.nothing_is_left();
}

#[test]
fn of_forks_that_are_made_while_the_daemon_is_killed_those_that_were_told_of_are_there() {
    let mut world = World::with_parent();
    let told_of = killed_in_the_middle(&mut world, 120, |client, kill| async move {
        let request = ForkVmRequest {
            count: 2,
            names: Some(vec![format!("a {kill}"), format!("b {kill}")]),
            ..ForkVmRequest::default()
        };
        client.fork_vm(PARENT, &request).await.is_ok()
    });
    all_are_there_and_none_alone(&world, &told_of, &["a", "b"]);
    world.nothing_is_left();
}

#[test]
fn of_restores_that_are_made_while_the_daemon_is_killed_those_that_were_told_of_are_there() {
    let mut world = World::with_parent();
    world.snapshot(PARENT, "kept");
    let told_of = killed_in_the_middle(&mut world, 120, |client, kill| async move {
        let request = CreateVmRequest {
            snapshot: Some("kept".to_owned()),
            name: Some(format!("a {kill}")),
            ..CreateVmRequest::default()
        };
        client.create_vm(&request).await.is_ok()
    });
    all_are_there_and_none_alone(&world, &told_of, &["a"]);
    assert_eq!(world.snapshots().len(), 1);
    world.nothing_is_left();
}

/// Of each kill all machines are there, or none; and those that were told of are.
fn all_are_there_and_none_alone(world: &World, told_of: &[u64], letters: &[&str]) {
    let vms = world.vms();
    let there = |name: &str| vms.iter().any(|vm| vm.name.as_deref() == Some(name));
    let mut count = 0;
    for kill in 0..=LAST_KILL {
        let names: Vec<_> = letters
            .iter()
            .map(|letter| format!("{letter} {kill}"))
            .collect();
        let found = names.iter().filter(|name| there(name)).count();
        assert!(
            found == 0 || found == names.len(),
            "{found} of {names:?} are there"
        );
        assert!(
            found > 0 || !told_of.contains(&kill),
            "{names:?} are not there"
        );
        count += found;
        for name in names.iter().filter(|_| found > 0) {
            assert_eq!(world.add(name, 1), 102);
        }
    }
    // And the parent.
    assert_eq!(vms.len(), count + 1);
}
