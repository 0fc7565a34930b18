//! Daemons that are killed in the middle of a snapshot, a fork and a restore.

use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::json;
use thaw_api_types::{CreateVmRequest, ForkVmRequest, SnapshotInfo, TakeSnapshotRequest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::world::{PARENT, World};

/// The last of the daemons that are killed. It is given the time that it needs.
const LAST_KILL: u64 = 8;

/// Has something done whose daemon is killed meanwhile, later each time; what it did is acknowledged or not.
fn killed_in_the_middle<F>(
    world: &mut World,
    step: u64,
    mut act: impl FnMut(&World, u64) -> F,
) -> Vec<u64>
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut acknowledged = Vec::new();
    for kill in 0..=LAST_KILL {
        let (done, ended) = mpsc::sync_channel(1);
        let acting = act(world, kill);
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
    let told_of = killed_in_the_middle(&mut world, 40, |world, kill| {
        let client = world.client.clone();
        let request = TakeSnapshotRequest {
            name: format!("kill {kill}"),
            metadata: None,
        };
        async move { client.take_snapshot(PARENT, &request).await.is_ok() }
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
fn a_snapshot_that_is_replaced_while_the_daemon_is_killed_is_the_old_one_or_the_new_one() {
    let mut world = World::with_parent();
    let parent = world.wait(world.client.vm(PARENT)).unwrap().id;
    world.snapshot(PARENT, "same");
    let seen = AtomicU64::new(0);
    let told_of = killed_in_the_middle(&mut world, 40, |world, kill| {
        let there = world.snapshots();
        let [only] = &there[..] else {
            panic!("{there:?}");
        };
        assert_eq!(only.name, "same");
        // An older one does not come back.
        let number = number_of(only);
        assert!(number >= seen.swap(number, Ordering::Relaxed) && number <= kill);
        let path = format!("/api/vms/{parent}/snapshot");
        let body = json!({ "name": "same", "metadata": { "kill": kill } });
        post(world.daemon.server().to_owned(), path, body.to_string())
    });
    let there = world.snapshots();
    let [only] = &there[..] else {
        panic!("{there:?}");
    };
    assert_eq!(Some(number_of(only)), told_of.last().copied());
    assert_eq!(world.folders(), std::slice::from_ref(&only.id));
    world.restore("same", "restored").unwrap();
    assert_eq!(world.add("restored", 1), 102);
    world.nothing_is_left();
}

fn number_of(snapshot: &SnapshotInfo) -> u64 {
    let number = snapshot.metadata.get("kill");
    number.map_or(0, |number| number.as_u64().unwrap())
}

/// Sends a request of BandSox's surface; whether it was done.
async fn post(server: String, path: String, body: String) -> bool {
    let address = server.trim_start_matches("http://");
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    // A daemon that was killed says nothing.
    asked
        .await
        .is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

#[test]
fn of_forks_that_are_made_while_the_daemon_is_killed_those_that_were_told_of_are_there() {
    let mut world = World::with_parent();
    let told_of = killed_in_the_middle(&mut world, 120, |world, kill| {
        let client = world.client.clone();
        let request = ForkVmRequest {
            count: 2,
            names: Some(vec![format!("a {kill}"), format!("b {kill}")]),
            ..ForkVmRequest::default()
        };
        async move { client.fork_vm(PARENT, &request).await.is_ok() }
    });
    all_are_there_and_none_alone(&world, &told_of, &["a", "b"]);
    world.nothing_is_left();
}

#[test]
fn of_restores_that_are_made_while_the_daemon_is_killed_those_that_were_told_of_are_there() {
    let mut world = World::with_parent();
    world.snapshot(PARENT, "kept");
    let told_of = killed_in_the_middle(&mut world, 120, |world, kill| {
        let client = world.client.clone();
        let request = CreateVmRequest {
            snapshot: Some("kept".to_owned()),
            name: Some(format!("a {kill}")),
            ..CreateVmRequest::default()
        };
        async move { client.create_vm(&request).await.is_ok() }
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
