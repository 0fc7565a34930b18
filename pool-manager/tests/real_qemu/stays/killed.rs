//! Daemons that are killed -9 in the middle of what they do.
//!
//! The daemon is this test program, run once more as a child: it reads commands, and says when each is done.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead as _, BufReader, Write as _, stdin},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use thaw_pool_manager::{LeaseId, Node as _, NodeVms as _, VmState};
use tokio::time::timeout;

use super::restarts::say;
use crate::world::{Root, World};

/// Where the child finds its storage root; without it, it is no child.
const ROOT: &str = "THAW_TEST_KILLED_ROOT";

const CHILD: &str = "stays::killed::a_daemon_that_obeys";

/// A daemon in a process of its own; killed when dropped.
struct Daemon {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Daemon {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test starts the daemon that it kills"
    )]
    fn start(root: &Root) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", CHILD, "--nocapture"])
            .env(ROOT, root.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut daemon = Self {
            commands: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        };
        daemon.answer();
        daemon
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "it is gone");
            // The test harness talks, too.
            if let Some((_, answer)) = line.trim().split_once("answer ") {
                return answer.to_owned();
            }
        }
    }

    fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The child's side; does nothing when it is run as a test.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_obeys() {
    let Some(root) = env::var_os(ROOT) else {
        return;
    };
    let world = World::open(Root::Lent(PathBuf::from(root))).await;
    println!("answer ready");
    for line in stdin().lines() {
        let line = line.unwrap();
        let (command, vm) = line.split_once(' ').unwrap_or((&line, ""));
        let vm = world
            .node
            .kept()
            .await
            .into_iter()
            .map(|kept| kept.id)
            .find(|id| id.as_str() == vm);
        let done = match (command, vm) {
            ("keep", None) => {
                let lease = world.lease().await.unwrap();
                println!("answer {}", lease.id);
                world.node.keep(&lease.id).await
            }
            ("pause", Some(vm)) => world.node.pause(&vm).await,
            ("power_off", Some(vm)) => world.node.power_off(&vm).await,
            ("boot", Some(vm)) => world.node.boot(&vm).await,
            ("write", Some(vm)) => {
                say(&world, &vm, "echo kept >/etc/file && sync").await;
                Ok(())
            }
            other => panic!("{other:?}"),
        };
        done.unwrap();
        println!("answer done");
    }
}

/// Opens the root and checks that nothing is there which no VM accounts for.
async fn open_whole(root: Root) -> World {
    let world = World::open(root).await;
    let kept = world.node.kept().await;
    let ids = |live: bool| -> BTreeSet<String> {
        let chosen = kept
            .iter()
            .filter(|vm| !live || vm.state != VmState::Stopped);
        chosen.map(|vm| vm.id.to_string()).collect()
    };
    let folder = |path: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(world.root.path().join(path)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let vmms: BTreeSet<String> = world.vmms().into_iter().map(|(id, _)| id).collect();
    assert_eq!(vmms, ids(true));
    assert_eq!(folder("run/vmm"), ids(true));
    assert_eq!(folder("vms"), ids(false));
    world
}

async fn state(world: &World, vm: &LeaseId) -> Option<VmState> {
    let kept = world.node.kept().await;
    kept.into_iter()
        .find(|kept| kept.id == *vm)
        .map(|kept| kept.state)
}

/// Lets a moment pass: the kill is to come anywhere in the middle.
async fn moment(ms: u64) {
    let _ = timeout(Duration::from_millis(ms), std::future::pending::<()>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_at_any_point_leaves_what_it_acknowledged_and_nothing_else() {
    let world = World::filled().await;
    let vm = world.lease().await.unwrap().id;
    world.node.keep(&vm).await.unwrap();
    let mut root = world.stop().await;

    // With nothing under way: everything that was acknowledged is there.
    let mut daemon = Daemon::start(&root);
    daemon.ask(&format!("write {vm}"));
    daemon.ask(&format!("pause {vm}"));
    drop(daemon);
    let world = open_whole(root).await;
    assert_eq!(state(&world, &vm).await, Some(VmState::Paused));
    world.node.resume(&vm).await.unwrap();
    assert_eq!(say(&world, &vm, "cat /etc/file").await, "kept\n");
    root = world.stop().await;

    // In the middle of keeping another.
    for ms in [0, 1, 3, 8, 20] {
        let mut daemon = Daemon::start(&root);
        let other = daemon.ask("keep");
        moment(ms).await;
        drop(daemon);
        let world = open_whole(root).await;
        assert_eq!(state(&world, &vm).await, Some(VmState::Running));
        for kept in world.node.kept().await {
            if kept.id != vm {
                assert_eq!(kept.id.as_str(), other);
                assert!(say(&world, &kept.id, "hostname").await.contains(&other));
                world.node.release(&kept.id);
            }
        }
        root = world.stop().await;
    }

    // In the middle of powering off and of booting.
    for ms in [0, 30, 300, 2000] {
        let mut daemon = Daemon::start(&root);
        daemon.tell(&format!("power_off {vm}"));
        moment(ms).await;
        drop(daemon);
        let world = open_whole(root).await;
        world.node.power_off(&vm).await.unwrap();
        root = world.stop().await;

        let mut daemon = Daemon::start(&root);
        daemon.tell(&format!("boot {vm}"));
        moment(3 * ms).await;
        drop(daemon);
        let world = open_whole(root).await;
        if state(&world, &vm).await == Some(VmState::Stopped) {
            world.node.boot(&vm).await.unwrap();
        }
        assert_eq!(say(&world, &vm, "cat /etc/file").await, "kept\n");
        root = world.stop().await;
    }

    let world = open_whole(root).await;
    world.node.release(&vm);
    world.close().await;
}
