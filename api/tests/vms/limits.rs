//! How many VMs and snapshots there may be: of the node, and of one key.

use reqwest::Method;
use serde_json::{Value, json};
use thaw_runner::{CountLimits, RunnerLimits};

use crate::support::World;

/// One for each key, and more than one for the node.
const ONE_PER_KEY: CountLimits = CountLimits {
    total: 3,
    per_key: 1,
};
const KEY_IS_FULL: &str = "this key's limit of 1 is reached";
const NODE_IS_FULL: &str = "the node's limit of 3 is reached";

/// Asks with a key; returns the answer's status and body.
async fn ask(world: &World, key: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, format!("{}{path}", world.server));
    let answer = request.bearer_auth(key).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null),
    )
}

async fn create(world: &World, key: &str, name: &str) -> (u16, Value) {
    let body = json!({ "image": "tiny", "memory_mib": 128, "name": name });
    ask(world, key, Method::POST, "/v1/vms", body).await
}

async fn snapshot(world: &World, key: &str, name: &str) -> (u16, Value) {
    let body = json!({ "name": name });
    ask(world, key, Method::POST, "/v1/vms/web/snapshot", body).await
}

async fn delete(world: &World, key: &str, path: &str) {
    let (status, said) = ask(world, key, Method::DELETE, path, Value::Null).await;
    assert_eq!(status, 204, "{said}");
}

/// The names of everything that is there, of VMs or of snapshots.
async fn names(world: &World, key: &str, what: &str) -> Vec<String> {
    let (_, list) = ask(world, key, Method::GET, &format!("/v1/{what}"), Value::Null).await;
    let list = list[what].as_array().unwrap().iter();
    let mut names: Vec<_> = list
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort_unstable();
    names
}

#[track_caller]
fn made((status, said): (u16, Value)) {
    assert_eq!(status, 201, "{said}");
}

/// Refused, for this reason, and told what mends it.
#[track_caller]
fn refused((status, said): (u16, Value), expected: (u16, &str), reason: &str) {
    let error = &said["error"];
    let code = error["code"].as_str().unwrap();
    assert_eq!((status, code), expected, "{said}");
    assert!(
        error["message"].as_str().unwrap().contains(reason),
        "{said}"
    );
    assert!(error["hint"].as_str().unwrap().contains(" rm"), "{said}");
}

#[tokio::test]
async fn a_key_has_as_many_vms_as_its_limit_allows_and_the_node_as_many_as_its_own() {
    let limits = RunnerLimits {
        vms: ONE_PER_KEY,
        ..RunnerLimits::default()
    };
    let world = World::with_limits(limits).await;
    let [ada, bob, eve, dan] = &world.keys();
    let limit = (429, "vm_limit");
    made(create(&world, ada, "ada's").await);
    refused(create(&world, ada, "a second").await, limit, KEY_IS_FULL);
    // A fork is one more, whoever's the VM is that it is made of.
    made(create(&world, bob, "bob").await);
    let path = "/v1/vms/bob/fork";
    let forked = ask(&world, ada, Method::POST, path, json!({})).await;
    refused(forked, limit, KEY_IS_FULL);
    made(create(&world, eve, "eve's").await);
    refused(create(&world, dan, "dan's").await, limit, NODE_IS_FULL);
    assert_eq!(names(&world, ada, "vms").await, ["ada's", "bob", "eve's"]);
    delete(&world, ada, "/v1/vms/ada's").await;
    made(create(&world, ada, "a second").await);
    world.close().await;
}

#[tokio::test]
async fn a_key_has_as_many_snapshots_as_its_limit_allows_and_the_node_as_many_as_its_own() {
    let limits = RunnerLimits {
        snapshots: ONE_PER_KEY,
        ..RunnerLimits::default()
    };
    let world = World::with_limits(limits).await;
    let [ada, bob, eve, dan] = &world.keys();
    let limit = (409, "snapshot_limit");
    made(create(&world, ada, "web").await);
    made(snapshot(&world, ada, "a").await);
    refused(snapshot(&world, ada, "second").await, limit, KEY_IS_FULL);
    // It belongs to who takes it, whoever's the VM is.
    made(snapshot(&world, bob, "b").await);
    made(snapshot(&world, eve, "e").await);
    refused(snapshot(&world, dan, "d").await, limit, NODE_IS_FULL);
    assert_eq!(names(&world, ada, "snapshots").await, ["a", "b", "e"]);
    delete(&world, ada, "/v1/snapshots/a").await;
    made(snapshot(&world, dan, "d").await);
    assert_eq!(names(&world, ada, "snapshots").await, ["b", "d", "e"]);
    world.close().await;
}

#[tokio::test]
async fn the_audit_log_says_which_vm_or_snapshot_a_key_made_and_what_was_asked_of_a_port() {
    let world = World::new().await;
    let [key] = world.keys();
    let (status, made) = create(&world, &key, "web").await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let (_, taken) = snapshot(&world, &key, "moment").await;
    let taken = taken["id"].as_str().unwrap().to_owned();
    let count = json!({ "count": 2 });
    let (_, forked) = ask(&world, &key, Method::POST, "/v1/vms/web/fork", count).await;
    let forked: Vec<_> = forked["vms"].as_array().unwrap().iter().collect();
    let [one, other] = [0, 1].map(|at| forked[at]["id"].as_str().unwrap());
    let body = json!({ "image": "tiny", "name": "box" });
    let (_, made) = ask(&world, &key, Method::POST, "/api/vms", body).await;
    let boxed = made["id"].as_str().unwrap();
    let path = format!("/api/snapshots/{taken}/restore");
    let (_, made) = ask(&world, &key, Method::POST, &path, json!({})).await;
    let restored = made["id"].as_str().unwrap();
    ask(
        &world,
        &key,
        Method::GET,
        "/v1/vms/web/ports/80/x",
        json!({}),
    )
    .await;
    let admin = world.admin();
    let (_, page) = ask(&world, &admin, Method::GET, "/v1/audit?limit=6", json!({})).await;
    let entries = page["entries"].as_array().unwrap().iter().rev();
    let targets: Vec<_> = entries
        .map(|entry| entry["target"].as_str().unwrap())
        .collect();
    assert_eq!(
        targets,
        [
            format!("/v1/vms: {id}"),
            format!("/v1/vms/web/snapshot: {taken}"),
            format!("/v1/vms/web/fork: {one} {other}"),
            format!("/api/vms: {boxed}"),
            format!("{path}: {restored}"),
            "/v1/vms/web/ports/80/x".to_owned(),
        ]
    );
    world.close().await;
}
