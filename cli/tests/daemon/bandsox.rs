//! BandSox's own client and command line, as they come from their registry, against a daemon with real VMs.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::support::{Daemon, Dockerd, text};

const PASSWORD: &str = "correct horse battery";

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

/// Runs one of our scripts with a client's Python.
fn run(client: &str, name: &str, arguments: &[&str]) -> Output {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/daemon/bandsox");
    Command::new(python(client))
        .arg("-B")
        .arg(scripts.join(name))
        .args(arguments)
        .output()
        .unwrap()
}

fn succeeds(done: &Output, name: &str) {
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{name}:\n{out}{err}");
}

/// Runs one of our scripts with a client's Python; it must succeed.
fn script(client: &str, name: &str, arguments: &[&str]) {
    succeeds(&run(client, name, arguments), &format!("{client} {name}"));
}

/// A daemon with authentication on, and its first key.
fn with_authentication() -> (Daemon, String) {
    let daemon = Daemon::with_python(&[]);
    let init = [
        "auth",
        "init",
        "--password-stdin",
        "--no-save-key",
        "--json",
    ];
    let mut init = daemon
        .command(&init)
        .env("THAW_STORAGE", daemon.storage())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(init.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let said = init.wait_with_output().unwrap();
    succeeds(&said, "thaw auth init");
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    let key = said["key"].as_str().unwrap().to_owned();
    (daemon, key)
}

/// Runs a script against a daemon with authentication on.
fn script_with_authentication(
    client: &str,
    name: &str,
    arguments: impl Fn(&Daemon, &str) -> Vec<String>,
) {
    let (daemon, key) = with_authentication();
    let arguments = arguments(&daemon, &key);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = run(client, name, &arguments);
    // Whatever came of it: what is left over is removed without a key.
    let mut off = daemon.command(&["auth", "disable"]);
    succeeds(
        &off.env("THAW_STORAGE", daemon.storage()).output().unwrap(),
        "thaw auth disable",
    );
    succeeds(&done, &format!("{client} {name}"));
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

fn with_authentication_on(client: &str) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    script_with_authentication(client, "commands.py", |daemon, key| {
        let (_, port) = daemon.server().rsplit_once(':').unwrap();
        [port, home, key].map(str::to_owned).to_vec()
    });
    script_with_authentication(client, "remote.py", |daemon, key| {
        let words = [daemon.server(), home, key, PASSWORD];
        words.map(str::to_owned).to_vec()
    });
}

#[test]
fn the_client_and_the_command_line_3_5_work_unmodified_with_authentication_on() {
    with_authentication_on("bandsox-3.5");
}

#[test]
fn the_client_and_the_command_line_3_3_work_unmodified_with_authentication_on() {
    with_authentication_on("bandsox-3.3");
}

#[test]
fn what_the_typescript_sdk_sends_is_answered_as_it_needs_it() {
    script_with_authentication("bandsox-3.5", "typescript.py", |daemon, _| {
        [daemon.server(), PASSWORD].map(str::to_owned).to_vec()
    });
}

/// A root file system with a shell in it.
fn root() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, mode: u32, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, bytes).unwrap();
    };
    add("bin/busybox", 0o755, &fs::read("/bin/busybox").unwrap());
    add("etc/motd", 0o644, b"from the base\n");
    for name in ["sh", "true", "cat"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{name}"), "busybox")
            .unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_vm_comes_from_a_dockerfile_whose_base_is_a_local_image() {
    let dockerd = Dockerd::start();
    dockerd.import(&root(), "thaw-base:1");
    let daemon = Daemon::beside(dockerd.host());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Dockerfile");
    let dockerfile = "FROM thaw-base:1\nENV COLOUR=green\n";
    for client in ["bandsox-3.5", "bandsox-3.3"] {
        fs::write(&file, dockerfile).unwrap();
        let file = file.to_str().unwrap();
        script(client, "dockerfile.py", &[daemon.server(), file]);
    }
    let words = [daemon.server(), "--dockerfile", dockerfile];
    script("bandsox-3.5", "typescript.py", &words);
}
