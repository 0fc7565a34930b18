//! Every id, name, path and number: never a 500, never a path outside of the storage root.

use std::time::Duration;

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{World, tiny};

/// Requests of each test.
const CASES: u32 = 300;

const ROUTES: [(&str, &str); 15] = [
    ("GET", "/v1/vms/{}"),
    ("PATCH", "/v1/vms/{}"),
    ("DELETE", "/v1/vms/{}"),
    ("POST", "/v1/vms/{}/exec"),
    ("POST", "/v1/vms/{}/pause"),
    ("POST", "/v1/vms/{}/resume"),
    ("POST", "/v1/vms/{}/stop"),
    ("POST", "/v1/vms/{}/start"),
    ("POST", "/v1/vms/{}/snapshot"),
    ("POST", "/v1/vms/{}/fork"),
    ("GET", "/v1/snapshots/{}"),
    ("PATCH", "/v1/snapshots/{}"),
    ("DELETE", "/v1/snapshots/{}"),
    ("GET", "/v1/vms?cursor={}"),
    ("GET", "/v1/vms?metadata={}&limit=7"),
];

/// What somebody puts where an id belongs, as bytes on the wire.
fn ids() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("..".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("%2e%2e%2foutside".to_owned()),
        Just("..%2f..%2f..%2fetc%2fpasswd".to_owned()),
        Just("%2fetc%2fpasswd".to_owned()),
        Just("%00".to_owned()),
        Just("web%00".to_owned()),
        Just("%ff%fe".to_owned()),
        Just("%".to_owned()),
        Just("%F0%9F%A7%8A".to_owned()),
        Just("vm-".to_owned()),
        Just("*".to_owned()),
        Just("a".repeat(60_000)),
        "[a-z0-9-]{1,70}",
        "(%[0-9a-f]{2}|[!-~&&[^ #?]]){1,40}",
    ]
}

/// What somebody puts into a body.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(Value::from("../../etc/passwd")),
        Just(Value::from("a\0b")),
        Just(Value::from("x".repeat(1 << 20))),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn bodies() -> impl Strategy<Value = Value> {
    let fields = prop::sample::select(vec![
        "image",
        "template",
        "snapshot",
        "name",
        "vcpus",
        "memory_mib",
        "disk_mib",
        "env",
        "metadata",
        "metadata_merge",
        "idle_timeout_s",
        "max_lifetime_s",
        "network",
        "count",
        "names",
        "argv",
        "start_timeout_ms",
    ]);
    prop::collection::btree_map(fields, values(), 0..4).prop_map(|map| json!(map))
}

/// Sends a request whose path is written as it is: a client would tidy `..` away. The answer's status.
async fn raw(world: &World, method: &str, path: &str, body: &str) -> u16 {
    let address = world.server.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that has answered already need not read on.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    answer["HTTP/1.1 ".len()..].parse().unwrap()
}

fn draw<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

#[tokio::test]
async fn no_id_whatever_it_is_breaks_the_server_or_leaves_the_storage_root() {
    let world = World::new().await;
    // Two, so that no beginning of an id is that of one alone.
    world.client.create_vm(&tiny("web")).await.unwrap();
    world.client.create_vm(&tiny("other")).await.unwrap();
    let before = world.outside();
    let mut runner = TestRunner::new(Config::default());
    let (ids, routes) = (ids(), prop::sample::select(ROUTES.to_vec()));
    for _ in 0..CASES {
        let ((method, route), id) = (draw(&mut runner, &routes), draw(&mut runner, &ids));
        let path = route.replace("{}", &id);
        let body = if method == "GET" { "" } else { "{}" };
        let asked = raw(&world, method, &path, body);
        let status = timeout(Duration::from_secs(60), asked).await.unwrap();
        let shown: String = path.chars().take(200).collect();
        assert!(status < 500, "{method} {shown}: {status}");
    }
    assert_eq!(world.outside(), before);
    assert_eq!(
        world.client.vm("web").await.unwrap().name.as_deref(),
        Some("web")
    );
    world.close().await;
}

#[tokio::test]
async fn no_body_whatever_it_is_breaks_the_server() {
    let world = World::new().await;
    world.client.create_vm(&tiny("web")).await.unwrap();
    let before = world.outside();
    let http = reqwest::Client::new();
    let mut runner = TestRunner::new(Config::default());
    let bodies = bodies();
    let routes = prop::sample::select(vec![
        (Method::POST, "/v1/vms"),
        (Method::PATCH, "/v1/vms/web"),
        (Method::POST, "/v1/vms/web/exec"),
        (Method::POST, "/v1/vms/none/fork"),
        (Method::POST, "/v1/vms/none/snapshot"),
        (Method::PATCH, "/v1/snapshots/none"),
    ]);
    for _ in 0..CASES {
        let ((method, path), mut body) = (draw(&mut runner, &routes), draw(&mut runner, &bodies));
        // The VM keeps its name, so that it is found again.
        if path == "/v1/vms/web" {
            body.as_object_mut().unwrap().remove("name");
        }
        let request = http.request(method.clone(), format!("{}{path}", world.server));
        let sent = timeout(Duration::from_secs(60), request.json(&body).send()).await;
        let answer = sent.unwrap().unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        let shown: String = body.to_string().chars().take(300).collect();
        // An image that nobody has is looked for elsewhere, where there may be nobody.
        let elsewhere = status == 502 && text.contains("image_source_unavailable");
        assert!(
            status < 500 || elsewhere,
            "{method} {path} {shown}: {status} {text}"
        );
        if status >= 400 {
            let error: Value = serde_json::from_str(&text).unwrap();
            assert!(error["error"]["code"].is_string(), "{text}");
        }
    }
    assert_eq!(world.outside(), before);
    world.close().await;
}
