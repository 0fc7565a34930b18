//! Completion scripts, read by the shells that they are for where those are here.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::support::{THAW, text};

#[test]
fn every_shell_gets_a_script_and_bash_can_read_its_own() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = Command::new(THAW)
            .args(["completions", shell])
            .output()
            .unwrap();
        let script = text(&done.stdout);
        assert!(
            done.status.success() && script.contains("terminal"),
            "{shell}: {script}"
        );
        if shell == "bash" {
            let mut bash = Command::new("bash");
            let check = "source /dev/stdin && complete -p thaw";
            let bash = bash
                .args(["--norc", "-c", check])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            let mut reading = bash.spawn().unwrap();
            reading
                .stdin
                .take()
                .unwrap()
                .write_all(&done.stdout)
                .unwrap();
            let read = reading.wait_with_output().unwrap();
            assert!(
                read.status.success() && text(&read.stdout).contains("thaw"),
                "{read:?}"
            );
        }
    }
    let unknown = Command::new(THAW)
        .args(["completions", "tcsh"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}
