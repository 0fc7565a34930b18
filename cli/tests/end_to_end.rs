//! The real thing: `thaw serve` with real VMs, used through its commands and over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program that it tests"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

const THAW: &str = env!("CARGO_BIN_EXE_thaw");

/// A daemon on a storage root of its own; ended when dropped.
struct Daemon {
    process: Child,
    server: String,
    storage: TempDir,
}

impl Daemon {
    fn start() -> Self {
        let storage = tempfile::tempdir().unwrap();
        let (process, server) = serve(&storage);
        Self {
            process,
            server,
            storage,
        }
    }

    fn thaw(&self, arguments: &[&str]) -> Output {
        Command::new(THAW)
            .args(arguments)
            .env("THAW_SERVER", &self.server)
            .output()
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut words = vec!["run", "python", "--"];
        words.extend(arguments);
        self.thaw(&words)
    }

    fn stop(&mut self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.process.id() as i32);
        nix::sys::signal::kill(pid, signal).unwrap();
        self.process.wait().unwrap();
    }

    /// VMMs of this daemon's storage root: their console sockets lie in its run folder.
    fn vmms(&self) -> usize {
        let run = self.storage.path().join("run/vmm");
        fs::read_dir(run).map_or(0, Iterator::count)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            self.stop(nix::sys::signal::Signal::SIGTERM);
        }
    }
}

fn serve(storage: &TempDir) -> (Child, String) {
    let mut process = Command::new(THAW)
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--accel",
            "tcg",
            "--storage",
        ])
        .arg(storage.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = process.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let server = line
        .trim()
        .strip_prefix("Thaw listens on ")
        .expect("the daemon says where it listens")
        .to_owned();
    (process, server)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One daemon and one image serve all of it: making the image takes longest.
#[test]
fn a_daemon_makes_its_image_runs_programs_and_leaves_nothing_behind() {
    let mut daemon = Daemon::start();

    // The first use makes `python` out of Debian packages and bakes its template.
    let ran = daemon.run(&["python3", "-c", "print(6*7)"]);
    assert_eq!(text(&ran.stdout), "42\n", "{}", text(&ran.stderr));
    assert_eq!(ran.status.code(), Some(0));

    let ran = daemon.thaw(&[
        "run",
        "python",
        "--code",
        "python",
        "import os; print(os.getpid() > 1)",
    ]);
    assert_eq!(text(&ran.stdout), "True\n", "{}", text(&ran.stderr));

    streams_and_exit_codes_are_the_programs_own(&daemon);
    clones_draw_different_random_numbers(&daemon);
    bad_requests_say_what_mends_them(&daemon);
    a_killed_daemon_leaves_nothing_that_the_next_one_keeps(&mut daemon);

    daemon.stop(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.vmms(), 0, "a stopped daemon leaves no VMM");
}

fn streams_and_exit_codes_are_the_programs_own(daemon: &Daemon) {
    let ran = daemon.run(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(
        (text(&ran.stdout), text(&ran.stderr)),
        ("out\n".into(), "err\n".into())
    );
    assert_eq!(ran.status.code(), Some(7));
    assert_eq!(
        daemon.run(&["sh", "-c", "kill -9 $$"]).status.code(),
        Some(137)
    );
    assert_eq!(daemon.run(&["no-such-program"]).status.code(), Some(127));
    assert_eq!(
        daemon.run(&["sh", "-c", "exit 127"]).status.code(),
        Some(127)
    );
    assert_eq!(daemon.run(&["/etc/passwd"]).status.code(), Some(126));
    let begin = Instant::now();
    let ran = daemon.thaw(&["run", "python", "--timeout", "0.5", "--", "sleep", "60"]);
    assert_eq!(ran.status.code(), Some(124), "{}", text(&ran.stderr));
    assert!(begin.elapsed() < Duration::from_secs(30));
    let ran = daemon.run(&["sh", "-c", "head -c 300000 /dev/zero; printf '\\377\\000'"]);
    assert_eq!(ran.stdout.len(), 300_002);
    assert!(ran.stdout.ends_with(b"\xff\0"));
}

fn clones_draw_different_random_numbers(daemon: &Daemon) {
    let code = "import os,random,uuid,ssl\n\
        print(os.urandom(8).hex(), random.random(), uuid.uuid4(), ssl.RAND_bytes(8).hex())";
    let draw = || {
        let ran = daemon.thaw(&["run", "python", "--code", "python", code]);
        assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
        text(&ran.stdout)
    };
    let (first, second) = (draw(), draw());
    for (one, other) in first.split_whitespace().zip(second.split_whitespace()) {
        assert_ne!(one, other, "two clones drew the same number");
    }
    assert_eq!(first.split_whitespace().count(), 4);
}

fn bad_requests_say_what_mends_them(daemon: &Daemon) {
    let ran = daemon.thaw(&["image", "rm", "never-made"]);
    assert_eq!(ran.status.code(), Some(125));
    assert!(
        text(&ran.stderr).contains("never-made"),
        "{}",
        text(&ran.stderr)
    );
    let ran = daemon.thaw(&["image", "add", "debian:bookworm+--evil"]);
    assert_eq!(ran.status.code(), Some(125));
    let ran = daemon.thaw(&["pool", "set", "python", "--min", "3", "--max", "1"]);
    assert_eq!(ran.status.code(), Some(125));
    assert!(text(&ran.stderr).contains("min"), "{}", text(&ran.stderr));
}

fn a_killed_daemon_leaves_nothing_that_the_next_one_keeps(daemon: &mut Daemon) {
    daemon.stop(nix::sys::signal::Signal::SIGKILL);
    let (process, server) = serve(&daemon.storage);
    (daemon.process, daemon.server) = (process, server);
    let ran = daemon.run(&["echo", "again"]);
    assert_eq!(text(&ran.stdout), "again\n", "{}", text(&ran.stderr));
}
