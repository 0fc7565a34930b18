//! The life of a VM over HTTP.

use std::time::Duration;

use serde_json::{Map, Value, json};
use thaw_api_types::{
    ChangeVmRequest, CreateVmRequest, ErrorCode, EventsQuery, LifecycleKind, PausedBy,
    SnapshotListQuery, VmExecRequest, VmListQuery, VmState,
    client::{ClientError, Told},
};

use crate::support::{World, tiny};

fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ErrorCode {
    answer.unwrap_err().code().unwrap()
}

fn object(value: Value) -> Option<Map<String, Value>> {
    value.as_object().cloned()
}

fn run(words: &[&str]) -> VmExecRequest {
    VmExecRequest {
        argv: Some(words.iter().map(|word| (*word).to_owned()).collect()),
        ..VmExecRequest::default()
    }
}

#[tokio::test]
async fn a_vm_is_made_used_changed_paused_stopped_started_and_deleted() {
    let world = World::new().await;
    let client = &world.client;
    let request = CreateVmRequest {
        env: Some([("A".to_owned(), "1".to_owned())].into()),
        metadata: object(json!({"user": "ada", "n": [1]})),
        max_lifetime_s: Some(1000),
        network: true,
        ..tiny("a web server")
    };
    let vm = client.create_vm(&request).await.unwrap();
    assert_eq!((vm.state, vm.image.as_str()), (VmState::Running, "tiny"));
    assert_eq!(vm.expires_at, Some(vm.created_at + 1000));
    assert!(vm.image_digest.starts_with("sha256:"));
    assert!(vm.warnings[0].contains("network"), "{:?}", vm.warnings);
    let ran = client
        .vm_exec("a web server", &run(&["env"]))
        .await
        .unwrap();
    assert!(ran.stdout.lines().any(|line| line == "A=1"), "{ran:?}");

    let change = ChangeVmRequest {
        name: Some("web".to_owned()),
        metadata_merge: object(json!({"n": null})),
        ..ChangeVmRequest::default()
    };
    let changed = client.change_vm(&vm.id, &change).await.unwrap();
    assert_eq!(Some(changed.metadata), object(json!({"user": "ada"})));
    assert_eq!(code(client.vm("a web server").await), ErrorCode::VmNotFound);
    assert_eq!(client.vm("web").await.unwrap().id, vm.id);

    let paused = client.pause_vm("web").await.unwrap();
    assert_eq!(paused.paused_by, Some(PausedBy::Request));
    assert_eq!(
        code(client.vm_exec("web", &run(&["true"])).await),
        ErrorCode::VmPaused
    );
    client.resume_vm("web").await.unwrap();
    let stopped = client.stop_vm("web").await.unwrap();
    assert_eq!(
        (stopped.state, stopped.stopped_reason),
        (VmState::Stopped, None)
    );
    assert_eq!(
        code(client.vm_exec("web", &run(&["true"])).await),
        ErrorCode::VmStopped
    );
    assert_eq!(code(client.pause_vm("web").await), ErrorCode::VmStopped);
    assert_eq!(
        client.start_vm("web").await.unwrap().state,
        VmState::Running
    );
    client.vm_exec("web", &run(&["true"])).await.unwrap();

    client.delete_vm("web").await.unwrap();
    assert_eq!(code(client.delete_vm("web").await), ErrorCode::VmNotFound);
    world.close().await;
}

#[tokio::test]
async fn the_beginning_of_an_id_finds_a_vm_and_ends_one_only_if_it_is_long_enough() {
    let world = World::new().await;
    let client = &world.client;
    let id = client.create_vm(&tiny("web")).await.unwrap().id;
    for text in ["v", "vm-", &id[..6], &id[..9]] {
        assert_eq!(client.vm(text).await.unwrap().id, id, "{text}");
    }
    for text in ["v", "vm", "vm-", &id[..8]] {
        let refused = client.delete_vm(text).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::VmAmbiguous), "{text}");
        assert!(refused.hint().unwrap().contains("6 digits"), "{refused:?}");
        assert_eq!(
            code(client.stop_vm(text).await),
            ErrorCode::VmAmbiguous,
            "{text}"
        );
    }
    client.stop_vm(&id[..9]).await.unwrap();
    client.delete_vm(&id[..9]).await.unwrap();
    assert_eq!(code(client.delete_vm(&id).await), ErrorCode::VmNotFound);
    world.close().await;
}

#[tokio::test]
async fn vms_are_listed_by_page_and_by_what_they_are() {
    let world = World::new().await;
    let client = &world.client;
    for user in 0..5 {
        let request = CreateVmRequest {
            metadata: object(json!({"user": user % 2})),
            ..tiny(&format!("vm {user}"))
        };
        client.create_vm(&request).await.unwrap();
    }
    let query = VmListQuery {
        metadata: Some(r#"{"user": 0}"#.to_owned()),
        limit: Some(2),
        ..VmListQuery::default()
    };
    let page = client.vms_page(&query).await.unwrap();
    assert_eq!(page.vms.len(), 2);
    assert!(page.next_cursor.is_some());
    let names: Vec<_> = client.vms(&query).await.unwrap().vms;
    let names: Vec<_> = names.into_iter().map(|vm| vm.name.unwrap()).collect();
    assert_eq!(names, ["vm 4", "vm 2", "vm 0"]);
    let stopped = VmListQuery {
        state: Some(VmState::Stopped),
        ..VmListQuery::default()
    };
    assert!(client.vms(&stopped).await.unwrap().vms.is_empty());
    let wrong = VmListQuery {
        metadata: Some("user=0".to_owned()),
        cursor: Some("x".to_owned()),
        limit: Some(0),
        ..VmListQuery::default()
    };
    let refused = client.vms_page(&wrong).await.unwrap_err();
    let message = refused.to_string();
    for word in ["metadata", "cursor", "limit"] {
        assert!(message.contains(word), "{word} is not in {message}");
    }
    world.close().await;
}

#[tokio::test]
async fn what_cant_be_done_says_why_and_what_mends_it() {
    let world = World::new().await;
    let client = &world.client;
    client.create_vm(&tiny("web")).await.unwrap();
    assert_eq!(
        code(client.create_vm(&tiny("web")).await),
        ErrorCode::VmNameTaken
    );
    let large = CreateVmRequest {
        disk_mib: Some(65_537),
        ..tiny("large")
    };
    let refused = client.create_vm(&large).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::DiskTooLarge));
    assert!(refused.hint().unwrap().contains("65536 MiB"), "{refused:?}");
    let snapshot = CreateVmRequest {
        snapshot: Some("none".to_owned()),
        ..CreateVmRequest::default()
    };
    assert_eq!(
        code(client.create_vm(&snapshot).await),
        ErrorCode::SnapshotNotFound
    );
    for name in 1..8 {
        client.create_vm(&tiny(&name.to_string())).await.unwrap();
    }
    let refused = client.create_vm(&tiny("one too many")).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::VmLimit));
    assert!(refused.to_string().contains("limit of 8"), "{refused}");
    assert_eq!(code(client.vm("vm-").await), ErrorCode::VmAmbiguous);
    let list = client
        .snapshots(&SnapshotListQuery::default())
        .await
        .unwrap();
    assert!(list.snapshots.is_empty());
    world.close().await;
}

#[tokio::test]
async fn who_follows_is_told_of_everything_and_one_who_returns_of_what_was_missed() {
    let world = World::new().await;
    let client = &world.client;
    let mut followed = client.follow_events(&EventsQuery::default()).await.unwrap();
    let vm = client.create_vm(&tiny("web")).await.unwrap();
    client.pause_vm("web").await.unwrap();
    let mut next = async || {
        let told = tokio::time::timeout(Duration::from_secs(30), followed.next()).await;
        match told.unwrap().unwrap() {
            Told::Event(event) => event,
            Told::Missed(missed) => panic!("{missed:?}"),
        }
    };
    let created = next().await;
    assert_eq!(
        (created.kind, created.id),
        (LifecycleKind::VmCreated, vm.id.clone())
    );
    assert_eq!(next().await.kind, LifecycleKind::VmPaused);
    client.delete_vm("web").await.unwrap();
    assert_eq!(next().await.kind, LifecycleKind::VmDeleted);

    let http = reqwest::Client::new();
    let behind = async |last: &str| {
        let request = http.get(format!("{}/v1/events?id={}", world.server, vm.id));
        let mut answer = request.header("last-event-id", last).send().await.unwrap();
        let mut text = String::new();
        while !text.contains("vm.deleted") || !text.ends_with("\n\n") {
            let chunk = tokio::time::timeout(Duration::from_secs(30), answer.chunk()).await;
            text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap().unwrap()).unwrap());
        }
        (text, answer)
    };
    // A number of an earlier daemon: something was missed, and of this one nothing is.
    let (all, _open) = behind("1").await;
    assert!(
        all.contains("event: missed") && all.contains("vm.created"),
        "{all}"
    );
    let first = all.lines().find_map(|line| line.strip_prefix("id: "));
    let (text, _open) = behind(first.unwrap()).await;
    assert!(
        text.contains("vm.paused") && !text.contains("vm.created") && !text.contains("missed"),
        "{text}"
    );
    // Both streams are still open: the server stops all the same, at once.
    world.close().await;
}
