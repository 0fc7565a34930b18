//! BandSox's own client and command line, as they come from their registry, against a daemon with real VMs.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::support::{Daemon, text};

/// The client's environment, as `deploy/test-clients` makes it.
fn python(client: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-clients");
    let python = folder.join(client).join("bin/python");
    assert!(
        python.exists(),
        "{} is missing; `make setup-test` makes it",
        python.display()
    );
    python
}

/// Runs one of our scripts with a client's Python; it must succeed.
fn script(client: &str, name: &str, arguments: &[&str]) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/daemon/bandsox");
    let done = Command::new(python(client))
        .arg("-B")
        .arg(scripts.join(name))
        .args(arguments)
        .output()
        .unwrap();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{client} {name}:\n{out}{err}");
}

fn every_method(client: &str) {
    let daemon = Daemon::with_python(&[]);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    script(client, "remote.py", &[daemon.server(), folder]);
}

#[test]
fn every_method_of_the_remote_client_3_5_works_unmodified() {
    every_method("bandsox-3.5");
}

#[test]
fn every_method_of_the_remote_client_3_3_works_unmodified() {
    every_method("bandsox-3.3");
}

fn every_verb(client: &str) {
    let daemon = Daemon::with_python(&[]);
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let (_, port) = daemon.server().rsplit_once(':').unwrap();
    script(client, "commands.py", &[port, home]);
}

#[test]
fn every_verb_of_the_command_line_3_5_works_unmodified() {
    every_verb("bandsox-3.5");
}

#[test]
fn every_verb_of_the_command_line_3_3_works_unmodified() {
    every_verb("bandsox-3.3");
}
