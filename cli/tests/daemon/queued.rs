//! Events that were queued, and a daemon that is killed: none is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::Daemon;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

const EVENTS: usize = 30;

/// The events of a state: their ids, and what came of them.
fn events(daemon: &Daemon, state: &str) -> BTreeMap<String, Value> {
    let path = format!("/v1/functions/slow/events?state={state}&limit=1000");
    let (status, body) = daemon.http("GET", &path, 0, b"");
    assert_eq!(status, 200, "{body}");
    let list: Value = serde_json::from_str(&body).unwrap();
    let event = |event: &Value| (event["id"].as_str().unwrap().to_owned(), event.clone());
    list["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(event)
        .collect()
}

fn decoded(event: &Value, field: &str) -> Vec<u8> {
    STANDARD.decode(event[field].as_str().unwrap()).unwrap()
}

/// Looks again and again: each look is a request, which takes its time.
fn wait_until_done(daemon: &Daemon, count: usize) -> BTreeMap<String, Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let done = events(daemon, "done");
        if done.len() >= count {
            return done;
        }
        assert!(
            Instant::now() < deadline,
            "{} of {count} are done; dead: {:?}",
            done.len(),
            events(daemon, "dead")
        );
    }
}

#[test]
fn no_queued_event_is_lost_when_the_daemon_is_killed() {
    let mut daemon = Daemon::with_python(&[]);
    let folder = tempfile::tempdir().unwrap();
    let source = "import time\n\
        def handle(event, context):\n\
        \x20   time.sleep(0.2)\n\
        \x20   return {'served': event['n']}\n";
    fs::write(folder.path().join("app.py"), source).unwrap();
    let code = folder.path().to_str().unwrap();
    let mut words = vec!["fn", "deploy", "slow", "--image", "python"];
    words.extend(["--handler", "app.handle", "--code", code]);
    words.extend(["--concurrency", "2", "--max-warm", "2"]);
    daemon.says(&words);

    let mut ids = BTreeMap::new();
    for n in 0..EVENTS {
        let event = format!("{{\"n\": {n}}}");
        let path = "/v1/functions/slow/invoke?mode=async";
        let (status, body) = daemon.http("POST", path, event.len(), event.as_bytes());
        assert_eq!(status, 202, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        ids.insert(answer["id"].as_str().unwrap().to_owned(), n);
    }
    // Right behind the last acknowledgement, and again in the middle of serving.
    daemon.stop(Signal::SIGKILL);
    daemon.start_again();
    let before = wait_until_done(&daemon, 3);
    assert!(before.len() < EVENTS, "nothing was left to be lost");
    daemon.stop(Signal::SIGKILL);
    daemon.start_again();

    let done = wait_until_done(&daemon, EVENTS);
    let known: BTreeSet<_> = ids.keys().collect();
    assert_eq!(done.keys().collect::<BTreeSet<_>>(), known);
    for (id, n) in &ids {
        let path = format!("/v1/functions/slow/events/{id}");
        let (_, event) = daemon.http("GET", &path, 0, b"");
        let event: &Value = &serde_json::from_str(&event).unwrap();
        let result: Value = serde_json::from_slice(&decoded(event, "result_base64")).unwrap();
        assert_eq!(result["served"], *n, "another event's result");
        assert_eq!(
            decoded(event, "event_base64"),
            format!("{{\"n\": {n}}}").as_bytes()
        );
    }
    // What was done before the second kill is not done again.
    for (id, event) in before {
        assert_eq!(event["ended_at_ms"], done[&id]["ended_at_ms"], "{id}");
    }
    assert!(events(&daemon, "queued").is_empty());
    assert!(events(&daemon, "dead").is_empty());
    daemon.says(&["fn", "rm", "slow"]);
}
