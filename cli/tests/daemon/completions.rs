//! Completion scripts, read by the shells that they are for where those are here.

use std::{
    io::{Read as _, Write as _},
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

#[test]
fn a_reader_that_stops_early_is_no_accident() {
    let mut completions = Command::new(THAW)
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut begin = [0; 9];
    let mut out = completions.stdout.take().unwrap();
    out.read_exact(&mut begin).unwrap();
    drop(out);
    let done = completions.wait_with_output().unwrap();
    let said = text(&done.stderr);
    assert!(!said.contains("panicked"), "{said}");
}
