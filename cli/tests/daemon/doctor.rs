//! What `thaw doctor` finds, and hosts that lack something.

use std::process::Command;

use nix::sys::signal::Signal;

use super::support::{Daemon, THAW, text};

fn doctor(arguments: &[&str]) -> serde_json::Value {
    let done = Command::new(THAW)
        .args(["doctor", "--json", "--accel", "tcg"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        text(&done.stdout),
        text(&done.stderr)
    );
    serde_json::from_slice(&done.stdout).unwrap()
}

fn finding<'a>(checks: &'a serde_json::Value, what: &str) -> &'a str {
    let checks = checks.as_array().unwrap();
    let found = checks.iter().find(|check| check["what"] == what);
    found.unwrap()["finding"].as_str().unwrap()
}

#[test]
fn the_doctor_says_which_engine_and_memory_are_chosen_and_why_and_tries_them() {
    let mut daemon = Daemon::with_python(&[]);
    let storage = daemon.storage().to_str().unwrap().to_owned();
    // Who serves the storage root is asked; the default address is somebody else's.
    let words = [
        "--smoke",
        "--storage",
        &storage,
        "--server",
        daemon.server(),
    ];
    let through = doctor(&words);
    let through = finding(&through, "smoke test");
    assert!(
        through.contains("an exec in ") && through.contains("through the daemon that runs"),
        "{through}"
    );
    assert!(through.ends_with("is whole"), "{through}");

    // With nobody there, a daemon inside the doctor does it.
    daemon.stop(Signal::SIGTERM);
    let checks = doctor(&["--smoke", "--storage", &storage]);
    assert!(
        finding(&checks, "engine").contains(", tcg: asked for"),
        "{checks}"
    );
    let memory = finding(&checks, "template memory");
    assert!(
        memory.starts_with("uffd: ") && memory.contains("/dev/userfaultfd"),
        "{memory}"
    );
    assert!(
        finding(&checks, "programs").contains("all are there"),
        "{checks}"
    );
    let alone = finding(&checks, "smoke test");
    assert!(
        alone.contains("a code run in ") && !alone.contains("through"),
        "{alone}"
    );
    daemon.start_again();
}

#[test]
fn a_host_without_userfaultfd_maps_the_file_and_everything_works() {
    let mut daemon = Daemon::with_python(&[]);
    daemon.stop(Signal::SIGTERM);
    daemon.start_again_without_userfaultfd();
    let ready = daemon.http("GET", "/readyz", 0, b"").1;
    assert!(
        ready.contains("file") && ready.contains("/dev/userfaultfd"),
        "{ready}"
    );
    let (_, metrics) = daemon.http("GET", "/metrics", 0, b"");
    assert!(
        metrics.contains(r#"memory="file",memory_reason="not_permitted""#),
        "{metrics}"
    );
    assert_eq!(
        daemon.says(&["run", "python", "--", "echo", "it works"]),
        "it works\n"
    );
    daemon.says(&["vm", "create", "python", "--name", "a"]);
    daemon.says(&["exec", "a", "--", "sh", "-c", "echo kept > /dev/shm/file"]);
    daemon.says(&["vm", "fork", "a", "--name", "b"]);
    assert_eq!(
        daemon.says(&["exec", "b", "--", "cat", "/dev/shm/file"]),
        "kept\n"
    );
    daemon.says(&["vm", "rm", "a", "b"]);
}
