//! What an image says of how it wants to be run.

use std::fs;

use serde_json::{Value, json};

use super::support::{Daemon, docker_archive, text};

/// Says who it is, and what it was given.
const ENTRY: &str = r#"#!/bin/busybox sh
echo "$COLOUR|$PWD|$(busybox id -u):$(busybox id -g)|$*"
"#;

const PASSWD: &str = "root:x:0:0::/:/bin/sh\napp:x:1234:1235::/srv:/bin/sh\n";

/// A program that tells the same without the entrypoint.
const TELL: &str = "echo \"$COLOUR|$PWD|$(busybox id -u):$(busybox id -g)|\"";

fn add(daemon: &Daemon, name: &str, config: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let busybox = fs::read("/bin/busybox").unwrap();
    let files = [
        ("bin/busybox", busybox.as_slice()),
        ("srv/entry", ENTRY.as_bytes()),
        ("etc/passwd", PASSWD.as_bytes()),
        ("other/file", b""),
    ];
    let path = docker_archive(&folder.path().join("image.tar"), config, &files);
    let source = format!("docker-archive:{}", path.display());
    let added = daemon.thaw(&["image", "add", &source, "--name", name]);
    let told = text(&added.stderr);
    assert!(added.status.success(), "{told}");
    assert!(told.starts_with("sending\n"), "{told}");
}

/// Runs over HTTP; returns the status and the answer.
fn exec(daemon: &Daemon, request: &Value) -> (u16, Value) {
    let address = format!("{}/v1/exec", daemon.server());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let call = reqwest::Client::new().post(address).json(request);
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    })
}

#[test]
fn an_images_variables_directory_user_and_programs_count_until_a_caller_says_otherwise() {
    let daemon = Daemon::start();
    let config = json!({
        "Env": ["PATH=/bin", "COLOUR=green"], "WorkingDir": "/srv", "User": "app",
        "Entrypoint": ["/srv/entry", "first"], "Cmd": ["of", "the image"],
    });
    add(&daemon, "whole", &config);

    // The entrypoint, with the image's words or with the caller's.
    let said = daemon.says(&["run", "whole"]);
    assert_eq!(said, "green|/srv|1234:1235|first of the image\n");
    let said = daemon.says(&["run", "whole", "--", "given"]);
    assert_eq!(said, "green|/srv|1234:1235|first given\n");
    let (status, ran) = exec(&daemon, &json!({ "image": "whole" }));
    assert_eq!(status, 200, "{ran}");
    assert_eq!(ran["stdout"], "green|/srv|1234:1235|first of the image\n");

    // A program of the caller's has all but the entrypoint.
    let tell = json!({ "image": "whole", "argv": ["busybox", "sh", "-c", TELL] });
    let (_, ran) = exec(&daemon, &tell);
    assert_eq!(ran["stdout"], "green|/srv|1234:1235|\n", "{ran}");
    let told_otherwise = json!({
        "image": "whole", "argv": ["busybox", "sh", "-c", TELL],
        "env": { "COLOUR": "red" }, "cwd": "/other", "user": "0",
    });
    let (_, ran) = exec(&daemon, &told_otherwise);
    assert_eq!(ran["stdout"], "red|/other|0:0|\n", "{ran}");

    // No words at all are no program.
    let (status, refused) = exec(&daemon, &json!({ "image": "whole", "argv": [] }));
    assert_eq!(status, 422, "{refused}");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("argv"), "{refused}");
}

#[test]
fn an_image_without_a_program_says_that_one_must_be_named() {
    let daemon = Daemon::start();
    add(&daemon, "bare", &json!({ "Env": ["PATH=/bin"] }));
    let (status, refused) = exec(&daemon, &json!({ "image": "bare" }));
    assert_eq!(
        (status, refused["error"]["code"].as_str()),
        (422, Some("nothing_to_run")),
        "{refused}"
    );
    let ran = daemon.thaw(&["run", "bare"]);
    assert_eq!(ran.status.code(), Some(125));
    assert!(
        text(&ran.stderr).contains("ENTRYPOINT"),
        "{}",
        text(&ran.stderr)
    );
    // It begins at the root, as root.
    let said = daemon.says(&["run", "bare", "--", "busybox", "sh", "-c", TELL]);
    assert_eq!(said, "|/|0:0|\n");
}
