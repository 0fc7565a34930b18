//! What `thaw fn` reads and prints.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use crate::support::{
    Daemon,
    function::{code, deploy, json},
    text,
};

#[test]
fn events_come_from_standard_input_and_logs_are_followed_to_the_functions_end() {
    let daemon = Daemon::with_python(&[]);
    let source = "def handle(event, context):\n\
        \x20   print('seen', len(event))\n\
        \x20   if event == 'wrong': raise KeyError(event)\n\
        \x20   return event\n";
    let folder = code("app.py", source);
    let done = deploy(&daemon, "echo", folder.path(), &["--handler", "app.handle"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let mut follower = daemon
        .command(&["fn", "logs", "echo", "--follow", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(follower.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };

    assert_eq!(given(&daemon, &[], br#"[1, "two"]"#), b"[1, \"two\"]\n");
    let first = json(&next());
    assert_eq!(first["text"], "seen 2\n");
    // More than a pipe holds, and no text.
    let event: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    let kind = ["--content-type", "application/octet-stream"];
    assert!(given(&daemon, &kind, &event) == event);
    assert_eq!(json(&next())["text"], "seen 300000\n");
    let wrong = daemon.thaw(&["fn", "invoke", "echo", "--data", "\"wrong\""]);
    assert_eq!(wrong.status.code(), Some(1));
    let third = json(&next());
    assert_eq!(third["error"], "KeyError: 'wrong'");
    let listed = daemon.says(&["fn", "ls"]);
    assert!(listed.contains("KeyError: 'wrong'"), "{listed}");
    assert!(
        third["text"]
            .as_str()
            .unwrap()
            .contains("KeyError: 'wrong'"),
        "{third}"
    );

    daemon.says(&["fn", "rm", "echo"]);
    assert_eq!(next(), "", "it ends with its function");
    assert!(follower.wait().unwrap().success());
}

/// Invokes `echo` with an event on standard input; returns what was printed.
fn given(daemon: &Daemon, more: &[&str], event: &[u8]) -> Vec<u8> {
    let mut words = vec!["fn", "invoke", "echo"];
    words.extend(more);
    let mut command = daemon.command(&words);
    let mut invoke = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads all of it before it says anything.
    invoke.stdin.take().unwrap().write_all(event).unwrap();
    let done = invoke.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    done.stdout
}
