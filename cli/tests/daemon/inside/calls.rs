//! What a program gets that talks HTTP to a machine by itself, and one that asks the commands for JSON.

use bytes::Bytes;
use serde_json::Value;
use thaw_api_types::client::{Content, WriteFile};

use super::world::{VM, World};
use crate::support::text;

#[test]
fn a_machine_is_used_by_programs() {
    let world = World::new();
    output_is_told_as_it_comes(&world);
    what_is_written_behind_a_file_is_added_to_it(&world);
    a_machine_comes_from_a_template_by_its_id(&world);
    json_is_printed_where_there_is_some_and_refused_where_bytes_are(&world);
}

fn output_is_told_as_it_comes(world: &World) {
    let body = br#"{"command": "echo one; echo two >&2; exit 3"}"#;
    let head = format!(
        "POST /v1/vms/{VM}/exec HTTP/1.1\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n\
         Content-Length: {}",
        body.len()
    );
    let answer = world.raw(&head, body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.has("content-type: text/event-stream"),
        "{}",
        answer.head
    );
    let said = answer.text();
    let events: Vec<_> = said
        .split("\n\n")
        .filter_map(|event| {
            let kind = event
                .lines()
                .find_map(|line| line.strip_prefix("event: "))?;
            let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
            Some((kind, serde_json::from_str::<Value>(data).unwrap()))
        })
        .collect();
    let data = |wanted: &str| &events.iter().find(|(kind, _)| *kind == wanted).unwrap().1;
    assert_eq!(data("stdout")["data"], "one\n");
    assert_eq!(data("stderr")["data"], "two\n");
    let (last, exit) = events.last().unwrap();
    assert_eq!((*last, &exit["exit_code"]), ("exit", &Value::from(3)));
}

fn what_is_written_behind_a_file_is_added_to_it(world: &World) {
    for word in ["first ", "second"] {
        let how = WriteFile {
            append: true,
            ..WriteFile::default()
        };
        let piece = Bytes::from_static(word.as_bytes());
        let content = Content::new(futures::stream::iter([Ok(piece)]), None);
        let written = world.client.write_file(VM, b"/tmp/added", how, content);
        assert_eq!(world.wait(written).unwrap().name, "added");
    }
    assert_eq!(world.shell("cat /tmp/added"), "first second");
}

fn a_machine_comes_from_a_template_by_its_id(world: &World) {
    let templates = world.daemon.says(&["template", "ls", "--json"]);
    let templates: Value = serde_json::from_str(&templates).unwrap();
    let id = templates["templates"][0]["id"].as_str().unwrap();
    let made = [
        "vm",
        "create",
        "--template",
        id,
        "--name",
        "by template",
        "--json",
    ];
    let made: Value = serde_json::from_str(&world.daemon.says(&made)).unwrap();
    assert_eq!(
        (&made["template"], &made["name"]),
        (&Value::from(id), &Value::from("by template"))
    );
    let said = world
        .daemon
        .says(&["exec", "by template", "--", "echo", "here"]);
    assert_eq!(said, "here\n");
    world.daemon.says(&["vm", "rm", "by template"]);
    let unknown = world
        .daemon
        .thaw(&["vm", "create", "--template", "0123456789abcdef"]);
    assert_eq!(unknown.status.code(), Some(125));
    assert!(text(&unknown.stderr).contains("0123456789abcdef"));
}

fn json_is_printed_where_there_is_some_and_refused_where_bytes_are(world: &World) {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("copied").to_str().unwrap().to_owned();
    let there = format!("{VM}:/etc/hostname");
    let copied = world.daemon.says(&["vm", "cp", "--json", &there, &file]);
    let copied: Value = serde_json::from_str(&copied).unwrap();
    assert_eq!(copied["name"], "hostname");
    let back = world
        .daemon
        .says(&["vm", "cp", "--json", &file, &format!("{VM}:/tmp/back")]);
    let back: Value = serde_json::from_str(&back).unwrap();
    assert_eq!(back["size_bytes"], copied["size_bytes"]);
    for words in [
        &["vm", "cp", &there, "-", "--json"][..],
        &["vm", "logs", VM, "--json"],
        &["vm", "terminal", VM, "--json"],
    ] {
        let refused = world.daemon.thaw(words);
        assert_eq!(refused.status.code(), Some(125));
        assert!(
            text(&refused.stderr).contains("leave out --json"),
            "{refused:?}"
        );
        assert!(refused.stdout.is_empty());
    }
    let number = world
        .daemon
        .says(&["vm", "exec", "--background", VM, "--", "echo", "behind"]);
    let lines = world
        .daemon
        .says(&["vm", "output", "--follow", "--json", VM, number.trim()]);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines[0]["stdout"]["data"].is_string(), "{lines:?}");
    assert_eq!(lines.last().unwrap()["exec"]["exit_code"], 0);
}
