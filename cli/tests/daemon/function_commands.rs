//! What `thaw fn` reads and prints.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

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

#[test]
fn events_that_were_queued_and_versions_are_listed_and_a_dead_event_gets_another_chance() {
    let daemon = Daemon::with_python(&[]);
    let deploy = |source: &str| {
        let folder = code("app.py", source);
        let done = deploy(
            &daemon,
            "later",
            folder.path(),
            &["--handler", "app.handle"],
        );
        let told = text(&done.stderr);
        assert!(done.status.success(), "{told}");
        // It says what takes so long.
        for step in ["booting the image", "initialising the function", "freezing"] {
            assert!(told.contains(step), "{told}");
        }
    };
    deploy("def handle(event, context): return 7 // event\n");
    let queue = |data: &str| {
        let id = daemon.says(&["fn", "invoke", "later", "--async", "--data", data]);
        id.trim().to_owned()
    };
    let good = queue("2");
    let done = event_in_state(&daemon, &good, "done");
    assert_eq!(done["result_base64"], "Mw==", "3: {done}");
    let bad = queue("0");
    let dead = event_in_state(&daemon, &bad, "dead");
    assert_eq!(dead["attempts"], 3, "{dead}");
    let listed = daemon.says(&["fn", "event", "ls", "later"]);
    assert!(listed.contains(&bad) && !listed.contains(&good), "{listed}");
    assert!(listed.contains("ZeroDivisionError"), "{listed}");
    let listed = daemon.says(&["fn", "event", "ls", "later", "--state", "done", "--json"]);
    assert_eq!(json(&listed)["events"][0]["id"], good.as_str());

    deploy("def handle(event, context): return event\n");
    let versions = daemon.says(&["fn", "versions", "later"]);
    assert_eq!(versions.lines().count(), 3, "{versions}");
    assert!(versions.contains("256 MiB"), "{versions}");
    let versions = json(&daemon.says(&["fn", "versions", "later", "--json"]));
    assert_eq!(versions["versions"][1]["version"], 2);
    daemon.says(&["fn", "event", "retry", "later", &bad]);
    let done = event_in_state(&daemon, &bad, "done");
    assert_eq!(done["result_base64"], "MA==", "0: {done}");
    daemon.says(&["fn", "event", "rm", "later", &bad]);
    let gone = daemon.thaw(&["fn", "event", "inspect", "later", &bad]);
    assert_eq!(gone.status.code(), Some(125), "{}", text(&gone.stderr));

    let both = daemon.thaw(&["fn", "invoke", "later", "--async", "--log", "--data", "1"]);
    assert!(text(&both.stderr).contains("cannot be used with"));
}

/// Looks again and again until the event is in that state: each look takes its time.
fn event_in_state(daemon: &Daemon, id: &str, state: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let event = json(&daemon.says(&["fn", "event", "inspect", "later", id]));
        if event["state"] == state {
            return event;
        }
        assert!(Instant::now() < deadline, "{event}");
    }
}
