//! Programs, clients and machines that misbehave: what a user sees, and that others go on.

use std::{
    collections::HashSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    time::Duration,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::Signal,
};
use serde_json::Value;

use super::support::{Daemon, text, wait_until, wait_within};

/// How soon the VM of a client that left must be gone; some 25 ms are usual.
const GONE_WITHIN: Duration = Duration::from_secs(1);

fn run(daemon: &Daemon, line: &str) -> Output {
    daemon.thaw(&["run", "python", "--", "sh", "-c", line])
}

/// Starts a program that goes on, and waits until so many run.
fn begin(daemon: &Daemon, line: &str, leased: u64) -> Child {
    let words = ["run", "python", "--timeout", "600", "--", "sh", "-c", line];
    let mut command = daemon.command(&words);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| self::leased(daemon) >= leased, "the program runs");
    child
}

fn leased(daemon: &Daemon) -> u64 {
    let pools: Value = serde_json::from_str(&daemon.http("GET", "/v1/pools", 0, b"").1).unwrap();
    let pools = pools["pools"].as_array().unwrap().iter();
    pools.map(|pool| pool["leased"].as_u64().unwrap()).sum()
}

fn pids(daemon: &Daemon) -> HashSet<u32> {
    let vmms = daemon.vmm_processes().into_iter();
    vmms.map(|(pid, _)| pid).collect()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn large_streams_fork_bombs_panics_and_clients_that_die_harm_nobody_else() {
    let daemon = Daemon::with_python(&[]);
    a_hundred_mebibytes_of_output_arrive_whole(&daemon);
    input_larger_than_a_pipe_arrives_whole(&daemon);
    a_guest_that_panics_is_told(&daemon);
    a_fork_bomb_stays_in_its_guest(&daemon);
    a_client_that_is_killed_takes_its_vm_with_it(&daemon);
}

fn a_hundred_mebibytes_of_output_arrive_whole(daemon: &Daemon) {
    let bytes: usize = 100 << 20;
    let limit = bytes.to_string();
    let line = format!("head -c {bytes} /dev/zero; echo end >&2");
    let ran = daemon.thaw(&[
        "run",
        "python",
        "--timeout",
        "600",
        "--output-limit",
        &limit,
        "--",
        "sh",
        "-c",
        &line,
    ]);
    assert_eq!(text(&ran.stderr), "end\n");
    assert_eq!(ran.stdout.len(), bytes);
    assert!(ran.stdout.iter().all(|byte| *byte == 0));
    // Beyond the limit the rest is thrown away, and that is said.
    let ran = daemon.thaw(&[
        "run",
        "python",
        "--output-limit",
        "1000",
        "--",
        "head",
        "-c",
        "5000",
        "/dev/zero",
    ]);
    assert_eq!((ran.stdout.len(), ran.status.code()), (1000, Some(0)));
    assert!(text(&ran.stderr).contains("longer than the limit"));
}

fn input_larger_than_a_pipe_arrives_whole(daemon: &Daemon) {
    let mut command = daemon.command(&["run", "-i", "python", "--", "sha256sum"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let said = text(&child.wait_with_output().unwrap().stdout);
    // python3 -c 'import hashlib; print(hashlib.sha256(bytes(n % 251 for n in range(8_000_000))).hexdigest())'
    let expected = "4c5143bfa79eab17dccf35d6e4771eac6ae915e0f7b1cabeb4a5ec1c5fe5e85a";
    assert!(said.starts_with(expected), "{said}");
}

fn a_guest_that_panics_is_told(daemon: &Daemon) {
    let ran = run(daemon, "echo c > /proc/sysrq-trigger; sleep 60");
    assert_eq!(ran.status.code(), Some(125));
    assert!(text(&ran.stderr).contains("panic"), "{}", text(&ran.stderr));
}

fn a_fork_bomb_stays_in_its_guest(daemon: &Daemon) {
    let bomb = begin(daemon, "bomb() { bomb | bomb & }; bomb; sleep 600", 1);
    for _ in 0..3 {
        assert_eq!(text(&run(daemon, "echo well").stdout), "well\n");
    }
    // What it takes of the host is bounded by its guest's memory and what the VMM itself needs.
    for (pid, rss_kib) in daemon.vmm_processes() {
        assert!(rss_kib < (256 + 256) << 10, "VMM {pid} takes {rss_kib} KiB");
    }
    end(bomb);
    wait_until(|| leased(daemon) == 0, "the VM of the fork bomb is gone");
}

fn a_client_that_is_killed_takes_its_vm_with_it(daemon: &Daemon) {
    let client = begin(daemon, "sleep 600", 1);
    let vmms = pids(daemon);
    end(client);
    let gone = || leased(daemon) == 0 && !vmms.is_subset(&pids(daemon));
    wait_within(GONE_WITHIN, gone, "the VM of a killed client is gone");
}

#[test]
fn a_daemon_killed_under_load_leaves_orphans_that_the_next_one_ends() {
    let mut daemon = Daemon::with_python(&[]);
    let clients: Vec<Child> = (1..=3).map(|n| begin(&daemon, "sleep 600", n)).collect();
    let orphans = daemon.vmm_processes();
    assert!(orphans.len() >= 3);
    daemon.stop(Signal::SIGKILL);
    daemon.start_again();
    assert_eq!(text(&run(&daemon, "echo again").stdout), "again\n");
    // Killed before anything was served; the kernel takes its time to take them down.
    let lives = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.starts_with("State:") && !line.contains('Z'))
    };
    wait_until(
        || !orphans.iter().any(|(pid, _)| lives(*pid)),
        "the orphans are gone",
    );
    for mut client in clients {
        // Their connections broke with the daemon.
        assert_eq!(client.wait().unwrap().code(), Some(125));
    }
    daemon.stop(Signal::SIGTERM);
    assert_eq!(daemon.vmms(), 0);
}

#[test]
fn a_template_that_is_cut_off_or_damaged_is_refused_by_name_until_it_is_removed() {
    let mut daemon = Daemon::with_python(&[]);
    let listed: Value = serde_json::from_str(&daemon.says(&["template", "ls", "--json"])).unwrap();
    let id = listed["templates"][0]["id"].as_str().unwrap().to_owned();
    daemon.stop(Signal::SIGTERM);
    let template = daemon.storage().join("templates").join(&id);
    let memory = template.join("memory.bin");
    let whole = fs::read(&memory).unwrap();
    // The file is linked from elsewhere: it is replaced, never changed.
    fs::remove_file(&memory).unwrap();
    fs::write(&memory, &whole[..whole.len() / 2]).unwrap();
    daemon.start_again();
    let refused = run(&daemon, "true");
    assert_eq!(refused.status.code(), Some(125));
    let said = text(&refused.stderr);
    assert!(
        said.contains(&id) && said.contains("thaw template rm"),
        "{said}"
    );
    daemon.says(&["template", "rm", &id]);
    assert_eq!(
        text(&run(&daemon, "echo baked anew").stdout),
        "baked anew\n"
    );
}

#[test]
fn a_disk_without_room_for_a_template_is_told_and_leaves_nothing_that_is_used() {
    let mut daemon = Daemon::with_python(&[]);
    daemon.stop(Signal::SIGTERM);
    let templates = daemon.storage().join("templates");
    fs::remove_dir_all(&templates).unwrap();
    fs::create_dir(&templates).unwrap();
    // Room for half a template.
    let disk = SmallDisk::at(&templates, "size=20m,mode=0700");
    daemon.start_again();
    let refused = run(&daemon, "true");
    assert_eq!(refused.status.code(), Some(125));
    let said = text(&refused.stderr);
    assert!(
        said.contains("bytes free") && said.contains("free space"),
        "{said}"
    );
    assert_eq!(fs::read_dir(&templates).unwrap().count(), 0);
    disk.grow();
    assert_eq!(text(&run(&daemon, "echo room").stdout), "room\n");
    daemon.stop(Signal::SIGTERM);
}

/// A small file system; unmounted when dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn at(path: &Path, options: &str) -> Self {
        mount(
            Some("tmpfs"),
            path,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options),
        )
        .unwrap();
        Self(path.to_owned())
    }

    pub(crate) fn grow(&self) {
        mount(
            None::<&str>,
            &self.0,
            None::<&str>,
            MsFlags::MS_REMOUNT,
            Some("size=2g"),
        )
        .unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}
