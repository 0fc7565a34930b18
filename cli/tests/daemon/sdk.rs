//! Thaw's own SDKs against a daemon with real VMs. What they do there is said by their tests.

use std::{path::Path, process::Command};

use super::support::{Daemon, User, text};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Runs an SDK's side; everything in it must succeed.
fn run(command: &mut Command) {
    let done = command.output().unwrap();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{out}{err}");
}

/// Tests of the SDK for Python.
fn python(daemon: &Daemon, tests: &str) -> Command {
    let pytest = Path::new(ROOT).join("target/test-clients/sdk-python/bin/pytest");
    assert!(
        pytest.exists(),
        "`make setup-test` makes {}",
        pytest.display()
    );
    let mut command = Command::new(pytest);
    command
        .args(["-p", "no:cacheprovider", tests])
        .current_dir(Path::new(ROOT).join("sdk/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("THAW_URL", daemon.server())
        .env_remove("THAW_API_KEY");
    command
}

#[test]
fn pythons_sdk_does_what_the_api_does() {
    let daemon = Daemon::with_python(&[]);
    run(&mut python(&daemon, "tests/e2e"));
}

/// Tests of the SDK for TypeScript.
fn typescript(daemon: &Daemon) -> Command {
    let mut command = Command::new("npm");
    command
        .args(["run", "--silent", "e2e"])
        .current_dir(Path::new(ROOT).join("sdk/typescript"))
        .env("THAW_URL", daemon.server())
        .env_remove("THAW_API_KEY");
    command
}

#[test]
fn typescripts_sdk_does_what_the_api_does() {
    let daemon = Daemon::with_python(&[]);
    run(&mut typescript(&daemon));
}

#[test]
fn typescripts_sdk_shows_its_key_everywhere() {
    let daemon = Daemon::with_python(&[]);
    let user = User::of(&daemon);
    user.turns_it_on();
    let key = user.key_for("sdk", "admin");
    run(typescript(&daemon).env("THAW_API_KEY", key));
}

#[test]
fn pythons_sdk_shows_its_key_everywhere() {
    let daemon = Daemon::with_python(&[]);
    let user = User::of(&daemon);
    user.turns_it_on();
    let key = user.key_for("sdk", "admin");
    run(python(&daemon, "tests/auth").env("THAW_API_KEY", key));
}
