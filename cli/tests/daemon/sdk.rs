//! Thaw's own SDKs against a daemon with real VMs. What they do there is said by their tests.

use std::{path::Path, process::Command};

use super::support::{Daemon, User, ok};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

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
    ok(&python(&daemon, "tests/e2e").output().unwrap());
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
    ok(&typescript(&daemon).output().unwrap());
}

#[test]
fn typescripts_sdk_shows_its_key_everywhere() {
    let daemon = Daemon::with_python(&[]);
    let user = User::of(&daemon);
    user.turns_it_on();
    let key = user.key_for("sdk", "admin");
    let mut tests = typescript(&daemon);
    ok(&tests.env("THAW_API_KEY", key).output().unwrap());
}

#[test]
fn pythons_sdk_shows_its_key_everywhere() {
    let daemon = Daemon::with_python(&[]);
    let user = User::of(&daemon);
    user.turns_it_on();
    let key = user.key_for("sdk", "admin");
    let mut tests = python(&daemon, "tests/auth");
    ok(&tests.env("THAW_API_KEY", key).output().unwrap());
}
