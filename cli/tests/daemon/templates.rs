//! What a template is, as `thaw template inspect` and its route say it.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use serde_json::Value;

use super::support::{Daemon, text, wait_until};

fn inspect(daemon: &Daemon, id: &str) -> Value {
    serde_json::from_str(&daemon.says(&["template", "inspect", id])).unwrap()
}

fn restores(template: &Value) -> &[Value] {
    template["last_restores"].as_array().unwrap()
}

/// What the files of a folder take of the disk, in bytes.
fn allocated_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap();
    let blocks = entries.map(|entry| entry.unwrap().metadata().unwrap().blocks());
    blocks.sum::<u64>() * 512
}

#[test]
fn a_template_tells_its_size_working_set_and_what_its_last_restores_faulted_on() {
    let daemon = Daemon::with_python(&[]);
    let ran = daemon.says(&["run", "python", "--", "echo", "thawed"]);
    assert_eq!(ran, "thawed\n");
    let listed: Value = serde_json::from_str(&daemon.says(&["template", "ls", "--json"])).unwrap();
    let id = listed["templates"][0]["id"].as_str().unwrap().to_owned();
    // Its first restores after a start are served, and what they fault on is written down.
    wait_until(
        || !restores(&inspect(&daemon, &id)).is_empty(),
        "a restore was noted",
    );

    let shown = inspect(&daemon, &id);
    let (status, body) = daemon.http("GET", &format!("/v1/templates/{id}"), 0, b"");
    assert_eq!(status, 200, "{body}");
    let answered: Value = serde_json::from_str(&body).unwrap();
    for same in [
        "id",
        "image",
        "memory_mib",
        "disk_bytes",
        "working_set_pages",
    ] {
        assert_eq!(shown[same], answered[same], "{same}");
    }

    let number = |field: &str| shown[field].as_u64().unwrap();
    let folder = daemon.storage().join("templates").join(&id);
    let (told, found) = (number("disk_bytes"), allocated_bytes(&folder));
    // What the last restores faulted on is written beside it, now and then.
    assert!(told.abs_diff(found) <= 64 << 10, "{told} of {found} bytes");
    let memory_bytes = number("memory_mib") << 20;
    let working_set_pages = number("working_set_pages");
    assert!((1..memory_bytes / 4096).contains(&working_set_pages));
    // What was filled for its clones, the working set at least, and holes never.
    let resident_bytes = number("resident_bytes");
    assert!(resident_bytes < memory_bytes, "{resident_bytes}");
    assert!(resident_bytes > 1 << 20, "{resident_bytes}");
    for restore in restores(&shown) {
        assert_eq!(restore["working_set_pages"], working_set_pages);
        let faults = restore["faults"].as_u64().unwrap();
        assert!(faults < working_set_pages, "{restore}");
    }
}

#[test]
fn a_template_that_is_not_there_is_named() {
    let daemon = Daemon::with_python(&[]);
    let done = daemon.thaw(&["template", "inspect", "0123456789abcdef"]);
    assert_eq!(done.status.code(), Some(125));
    let said = text(&done.stderr);
    assert!(said.contains("0123456789abcdef"), "{said}");
    let (status, body) = daemon.http("GET", "/v1/templates/0123456789abcdef", 0, b"");
    assert_eq!(status, 404, "{body}");
    assert!(body.contains("template_not_found"), "{body}");
}
