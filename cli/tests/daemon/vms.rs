//! VMs that stay, with real guests: their life through the commands, and daemons that are killed.

use std::{
    fs,
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::support::{Daemon, text};

/// The last of the daemons that are killed while a VM is made.
const LAST_KILL: u64 = 9;

fn sh(daemon: &Daemon, vm: &str, line: &str) -> String {
    daemon.says(&["exec", vm, "--", "sh", "-c", line])
}

fn state(daemon: &Daemon, vm: &str) -> String {
    let said = daemon.says(&["vm", "inspect", vm]);
    let vm: serde_json::Value = serde_json::from_str(&said).unwrap();
    vm["state"].as_str().unwrap().to_owned()
}

/// Everything that a daemon without VMs must not have.
fn nothing_is_left(daemon: &mut Daemon) {
    daemon.stop(Signal::SIGTERM);
    assert_eq!(daemon.vmms(), 0, "a VMM was left behind");
    let disks = fs::read_dir(daemon.storage().join("vms"));
    assert_eq!(
        disks.map_or(0, Iterator::count),
        0,
        "a disk was left behind"
    );
}

#[test]
fn a_vm_keeps_its_memory_over_a_pause_and_a_killed_daemon_and_its_disk_over_a_stop() {
    let mut daemon = Daemon::with_python(&[]);
    let id = daemon.says(&[
        "vm",
        "create",
        "python",
        "--name",
        "a web server",
        "--env",
        "GREETING=hello",
        "--meta",
        "user=ada",
    ]);
    let id = id.trim();
    sh(
        &daemon,
        "a web server",
        "echo $GREETING > /root/disk; echo $GREETING > /dev/shm/memory",
    );

    assert_eq!(daemon.says(&["vm", "pause", id]).trim(), id);
    let refused = daemon.thaw(&["exec", id, "--", "true"]);
    assert_eq!(refused.status.code(), Some(125));
    assert!(
        text(&refused.stderr).contains("thaw vm resume"),
        "{refused:?}"
    );
    daemon.says(&["vm", "resume", id]);
    assert_eq!(sh(&daemon, id, "cat /dev/shm/memory"), "hello\n");

    daemon.says(&["vm", "rename", id, "web"]);
    daemon.stop(Signal::SIGKILL);
    daemon.start_again();
    assert_eq!(state(&daemon, "web"), "running");
    assert_eq!(
        sh(&daemon, "web", "cat /dev/shm/memory; echo $GREETING"),
        "hello\nhello\n"
    );
    let found = daemon.says(&["vm", "ls", "--meta", "user=ada", "--state", "running"]);
    assert!(found.contains(id), "{found}");

    daemon.says(&["vm", "stop", "web"]);
    assert_eq!(state(&daemon, "web"), "stopped");
    daemon.stop(Signal::SIGTERM);
    daemon.start_again();
    assert_eq!(state(&daemon, "web"), "stopped");
    daemon.says(&["vm", "start", "web"]);
    let said = sh(
        &daemon,
        "web",
        "cat /root/disk; ls /dev/shm; echo $GREETING",
    );
    assert_eq!(said, "hello\nhello\n");

    let gone = daemon.says(&["vm", "rm", "web", "--json"]);
    assert!(gone.contains("web"), "{gone}");
    let missing = daemon.thaw(&["vm", "inspect", id]);
    assert_eq!(missing.status.code(), Some(125));
    nothing_is_left(&mut daemon);
}

/// More than the disk that a VM has by itself: 4 GiB.
const LARGE_DISK_MIB: &str = "6000";

/// What the guest can write to, in MiB, in whole thousands.
fn disk_thousand_mib(daemon: &Daemon, vm: &str) -> u64 {
    let said = sh(daemon, vm, "df --output=size -m / | tail -n 1");
    said.trim().parse::<u64>().unwrap() / 1000
}

#[test]
fn a_vm_has_the_disk_that_was_asked_for_and_so_has_what_is_made_of_it() {
    let mut daemon = Daemon::with_python(&["--max-disk", LARGE_DISK_MIB]);
    let create = ["vm", "create", "python", "--name", "large", "--disk"];
    let refused = daemon.thaw(&[&create[..], &["6001"]].concat());
    assert_eq!(refused.status.code(), Some(125));
    let said = text(&refused.stderr);
    assert!(
        said.contains("6000 MiB") && said.contains("--max-disk"),
        "{said}"
    );

    daemon.says(&[&create[..], &[LARGE_DISK_MIB]].concat());
    assert_eq!(disk_thousand_mib(&daemon, "large"), 5);
    sh(
        &daemon,
        "large",
        "dd if=/dev/zero of=/root/zeroes bs=1M seek=5500 count=1 status=none; echo kept > /root/file; sync",
    );
    daemon.says(&["vm", "snapshot", "large", "moment"]);
    daemon.says(&["snapshot", "restore", "moment", "--name", "copy"]);
    for vm in ["copy", "large"] {
        assert_eq!(disk_thousand_mib(&daemon, vm), 5, "{vm}");
        daemon.says(&["vm", "stop", vm]);
        daemon.says(&["vm", "start", vm]);
        assert_eq!(disk_thousand_mib(&daemon, vm), 5, "{vm} started again");
        assert_eq!(sh(&daemon, vm, "cat /root/file"), "kept\n");
        let inspected = daemon.says(&["vm", "inspect", vm]);
        assert!(inspected.contains(r#""disk_mib": 6000"#), "{inspected}");
        daemon.says(&["vm", "rm", vm]);
    }
    daemon.says(&["snapshot", "rm", "moment"]);
    nothing_is_left(&mut daemon);
}

#[test]
fn a_vm_that_nobody_uses_sleeps_until_the_next_request() {
    let mut daemon = Daemon::with_python(&[]);
    daemon.says(&["vm", "create", "python", "--name", "web", "--idle", "1"]);
    sh(&daemon, "web", "echo kept > /dev/shm/memory");
    let deadline = Instant::now() + Duration::from_secs(60);
    while state(&daemon, "web") != "paused" {
        assert!(Instant::now() < deadline, "it does not fall asleep");
    }
    assert!(daemon.says(&["vm", "ls"]).contains("idle"));
    assert_eq!(sh(&daemon, "web", "cat /dev/shm/memory"), "kept\n");
    daemon.says(&["vm", "rm", "web"]);
    nothing_is_left(&mut daemon);
}

#[test]
fn of_vms_that_are_made_while_the_daemon_is_killed_those_that_were_told_of_are_there() {
    let mut daemon = Daemon::with_python(&[]);
    let mut told_of = Vec::new();
    for kill in 0..=LAST_KILL {
        let name = format!("vm {kill}");
        let mut create = daemon.command(&["vm", "create", "python", "--name", &name]);
        let create = create.stdout(Stdio::piped()).stderr(Stdio::piped());
        let creating = create.spawn().unwrap();
        let (done, ended) = mpsc::sync_channel(1);
        let waiting = thread::spawn(move || done.send(creating.wait_with_output().unwrap()));
        // At a later moment each time, and at last when it is there.
        let moment = match kill {
            LAST_KILL => Duration::from_secs(60),
            kill => Duration::from_millis(100 * kill),
        };
        let early = ended.recv_timeout(moment);
        daemon.stop(Signal::SIGKILL);
        waiting.join().unwrap().unwrap();
        let created = early.or_else(|_| ended.recv()).unwrap();
        if created.status.success() {
            told_of.push(name);
        }
        daemon.start_again();
    }
    assert!(!told_of.is_empty());
    let list = daemon.says(&["vm", "ls", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let there: Vec<_> = list["vms"].as_array().unwrap().iter().collect();
    for name in &told_of {
        assert!(
            there.iter().any(|vm| vm["name"] == name.as_str()),
            "{name} is not there"
        );
    }
    for vm in there {
        let id = vm["id"].as_str().unwrap();
        assert_eq!(sh(&daemon, id, "echo well"), "well\n");
        daemon.says(&["vm", "rm", id]);
    }
    nothing_is_left(&mut daemon);
}
