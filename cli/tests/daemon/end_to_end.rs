//! Programs and code in fresh machines, through the commands.

use std::{
    process::Output,
    time::{Duration, Instant},
};

use super::support::{Daemon, text};
use nix::sys::signal::Signal;

fn run(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut words = vec!["run", "python", "--"];
    words.extend(arguments);
    daemon.thaw(&words)
}

#[test]
fn the_first_use_makes_the_image_and_a_stopped_daemon_leaves_no_machine() {
    let mut daemon = Daemon::start();
    let said = daemon.says(&["run", "python", "--", "python3", "-c", "print(6*7)"]);
    assert_eq!(said, "42\n");
    daemon.stop(Signal::SIGTERM);
    assert_eq!(daemon.vmms(), 0);
}

#[test]
fn programs_and_code_run_in_machines_of_their_own() {
    let mut daemon = Daemon::with_python(&[]);
    let code = "import os; print(os.getpid() > 1)";
    let said = daemon.says(&["run", "python", "--code", "python", code]);
    assert_eq!(said, "True\n");
    streams_and_exit_codes_are_the_programs_own(&daemon);
    clones_draw_different_random_numbers(&daemon);
    bad_requests_say_what_mends_them(&daemon);
    a_killed_daemon_leaves_nothing_that_the_next_one_keeps(&mut daemon);
}

fn streams_and_exit_codes_are_the_programs_own(daemon: &Daemon) {
    let ran = run(daemon, &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(
        (text(&ran.stdout), text(&ran.stderr)),
        ("out\n".into(), "err\n".into())
    );
    assert_eq!(ran.status.code(), Some(7));
    assert_eq!(
        run(daemon, &["sh", "-c", "kill -9 $$"]).status.code(),
        Some(137)
    );
    assert_eq!(run(daemon, &["no-such-program"]).status.code(), Some(127));
    assert_eq!(
        run(daemon, &["sh", "-c", "exit 127"]).status.code(),
        Some(127)
    );
    assert_eq!(run(daemon, &["/etc/passwd"]).status.code(), Some(126));
    let begin = Instant::now();
    let ran = daemon.thaw(&["run", "python", "--timeout", "0.5", "--", "sleep", "60"]);
    assert_eq!(ran.status.code(), Some(124), "{}", text(&ran.stderr));
    assert!(begin.elapsed() < Duration::from_secs(30));
    let ran = run(
        daemon,
        &["sh", "-c", "head -c 300000 /dev/zero; printf '\\377\\000'"],
    );
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
    daemon.stop(Signal::SIGKILL);
    daemon.start_again();
    let ran = run(daemon, &["echo", "again"]);
    assert_eq!(text(&ran.stdout), "again\n", "{}", text(&ran.stderr));
}
