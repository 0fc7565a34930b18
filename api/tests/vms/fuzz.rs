//! Every id, name, path and number: never a 500, never a path outside of the storage root.

use std::{collections::BTreeMap, time::Duration};

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

/// Requests with bodies.
const CASES: u32 = 600;

/// What is made up for each route.
const IDS: u32 = 8;

/// `{}` is what somebody makes up, `VM` a VM that is there; `WS` asks for a WebSocket.
const ROUTES: &[(&str, &str)] = &[
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
    ("GET", "/v1/vms?limit={}"),
    ("GET", "/v1/snapshots?metadata={}"),
    ("GET", "/v1/events?after={}"),
    ("GET", "/v1/images/{}"),
    ("GET", "/v1/images/{}/{}"),
    ("DELETE", "/v1/images/{}"),
    ("POST", "/v1/images?kind=rootfs&name={}"),
    ("GET", "/v1/templates/{}"),
    ("DELETE", "/v1/templates/{}"),
    ("DELETE", "/v1/keys/{}"),
    ("GET", "/v1/audit?before={}"),
    ("GET", "/v1/vms/VM/files?path={}"),
    ("GET", "/v1/vms/VM/files?path=/&after={}"),
    ("DELETE", "/v1/vms/VM/files?path={}"),
    ("GET", "/v1/vms/VM/files/content?path={}"),
    ("PUT", "/v1/vms/VM/files/content?path={}"),
    ("PUT", "/v1/vms/VM/files/content?path=/x&mode={}"),
    ("GET", "/v1/vms/VM/files/archive?path={}"),
    ("PUT", "/v1/vms/VM/files/archive?path={}"),
    ("GET", "/v1/vms/VM/execs/{}"),
    ("DELETE", "/v1/vms/VM/execs/{}"),
    ("GET", "/v1/vms/VM/execs/{}/output"),
    ("GET", "/v1/vms/VM/execs/1/output?stdout_from={}"),
    ("POST", "/v1/vms/VM/execs/{}/signal"),
    ("GET", "/v1/vms/VM/logs?follow={}"),
    ("GET", "/v1/vms/VM/ports/{}/"),
    ("GET", "/v1/vms/VM/ports/80/{}"),
    ("WS", "/v1/vms/VM/tcp/{}"),
    ("WS", "/v1/vms/VM/terminal?cols={}"),
    ("WS", "/v1/vms/VM/terminal?cols=80&rows={}"),
    ("WS", "/v1/vms/{}/exec/ws"),
    ("GET", "/v1/functions/{}"),
    ("DELETE", "/v1/functions/{}"),
    ("GET", "/v1/functions/{}/versions"),
    ("DELETE", "/v1/functions/f/versions/{}"),
    ("PUT", "/v1/functions/{}/aliases/{}"),
    ("POST", "/v1/functions/{}/aliases/x/rollback"),
    ("GET", "/v1/functions/{}/logs"),
    ("GET", "/v1/functions/f/events/{}"),
    ("POST", "/v1/functions/{}/invoke"),
    ("POST", "/v1/functions/f/invoke?qualifier={}"),
    ("GET", "/v1/functions/f/http/{}"),
    ("POST", "/2015-03-31/functions/{}/invocations"),
    (
        "POST",
        "/2021-11-15/functions/{}/response-streaming-invocations",
    ),
    ("DELETE", "/api/auth/keys/{}"),
    ("GET", "/api/vms?limit={}"),
    ("GET", "/api/vms?metadata_equals={}"),
    ("GET", "/api/vms/{}"),
    ("DELETE", "/api/vms/{}"),
    ("POST", "/api/vms/{}/stop"),
    ("POST", "/api/vms/{}/pause"),
    ("POST", "/api/vms/{}/resume"),
    ("PUT", "/api/vms/{}/name"),
    ("PUT", "/api/vms/{}/metadata"),
    ("POST", "/api/vms/{}/snapshot"),
    ("POST", "/api/vms/{}/exec"),
    ("POST", "/api/vms/{}/exec-python"),
    ("WS", "/api/vms/{}/exec-stream"),
    ("WS", "/api/vms/{}/terminal"),
    ("WS", "/api/vms/VM/terminal?cols={}&rows={}"),
    ("GET", "/api/vms/VM/files?path={}"),
    ("GET", "/api/vms/VM/read-file?path={}"),
    ("GET", "/api/vms/VM/download?path={}"),
    ("GET", "/api/vms/VM/file-info?path={}"),
    ("POST", "/api/vms/{}/write-file"),
    ("POST", "/api/vms/{}/append-file"),
    ("POST", "/api/vms/{}/upload"),
    ("POST", "/api/vms/{}/http"),
    ("POST", "/api/snapshots/{}/restore"),
    ("DELETE", "/api/snapshots/{}"),
    ("PUT", "/api/snapshots/{}/name"),
    ("PUT", "/api/snapshots/{}/metadata"),
    ("GET", "/api/{}"),
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
        Just("-1".to_owned()),
        Just("7".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("a".repeat(60_000)),
        Just("a".repeat(1 << 20)),
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
        "vcpu",
        "mem_mib",
        "disk_size_mib",
        "env_vars",
        "mcp",
        "command",
        "timeout",
        "code",
        "cwd",
        "packages",
        "path",
        "content",
        "encoding",
        "append",
        "port",
        "method",
        "headers",
        "body",
        "json_body",
        "password",
        "enable_networking",
        "force_rebuild",
        "min",
        "max",
        "idle_ms",
        "from",
        "to",
        "signal",
        "version",
        "scopes",
        "expires_in_s",
        "source",
        "stdin",
    ]);
    // Some fields are there as they should be, so that what is made up beside them is looked at.
    let sound = prop::sample::subsequence(
        vec![
            ("image", json!("tiny")),
            ("memory_mib", json!(128)),
            ("command", json!("true")),
            ("code", json!("1")),
            ("path", json!("/x")),
            ("content", json!("x")),
            ("port", json!(7)),
            ("name", json!("other")),
        ],
        0..=8,
    );
    let wild = prop::collection::btree_map(fields, values(), 0..4);
    (sound, wild).prop_map(|(sound, wild)| {
        let mut body: BTreeMap<&str, Value> = sound.into_iter().collect();
        body.extend(wild);
        json!(body)
    })
}

/// An answer: its status, and its body where that matters.
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    /// Whether it says what may be said: never that the server broke.
    fn is_sound(&self) -> bool {
        // A fake guest has no files, and nothing listens in it. BandSox's clients are told so with a 500.
        let guest_says_so = [
            "Agent error: a fake guest",
            "guest_failed",
            "port_refused",
            "port_no_answer",
        ];
        // What nobody has is looked for elsewhere, where there may be nobody.
        let elsewhere = [
            "image_source_unavailable",
            "could not reach",
            "no Docker daemon answers",
            "nothing listens",
            "gave no HTTP answer",
            // What a VM with a network would do.
            "network_unavailable",
        ];
        let told = guest_says_so.iter().chain(&elsewhere);
        self.status < 500 || told.into_iter().any(|words| self.text.contains(words))
    }
}

/// Sends a request whose path is written as it is: a client would tidy `..` away. None when the server hangs up on
/// a head that is too large.
async fn raw(world: &World, method: &str, path: &str, body: &str) -> Option<Answer> {
    let address = world.server.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (method, more) = match method {
        "WS" => (
            "GET",
            "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
        method => (method, "Connection: close\r\n"),
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{more}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    // A server that has answered already need not read on.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.ok()?;
    let status = str::from_utf8(&head[9..]).unwrap().parse().unwrap();
    let mut text = Vec::new();
    // A WebSocket stays open, as does a stream of events; neither is an error, behind which the server closes.
    if status >= 500 {
        stream.read_to_end(&mut text).await.unwrap();
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    Some(Answer { status, text })
}

fn draw<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

#[tokio::test]
async fn no_id_whatever_it_is_breaks_the_server_or_leaves_the_storage_root() {
    let world = World::new().await;
    // Two, so that no beginning of an id is that of one alone.
    let web = world.client.create_vm(&tiny("web")).await.unwrap();
    world.client.create_vm(&tiny("other")).await.unwrap();
    let before = world.outside();
    let mut runner = TestRunner::new(Config::default());
    let ids = ids();
    for (method, route) in ROUTES {
        for _ in 0..IDS {
            let mut path = route.replace("VM", &web.id);
            while path.contains("{}") {
                path = path.replacen("{}", &draw(&mut runner, &ids), 1);
            }
            let body = if *method == "GET" { "" } else { "{}" };
            let asked = raw(&world, method, &path, body);
            let shown: String = path.chars().take(200).collect();
            let answer = timeout(Duration::from_secs(60), asked)
                .await
                .unwrap_or_else(|_| panic!("{method} {shown}: not answered within a minute"));
            match answer {
                Some(answer) => assert!(
                    answer.is_sound(),
                    "{method} {shown}: {} {}",
                    answer.status,
                    answer.text
                ),
                None => assert!(path.len() > 1 << 16, "{method} {shown}: no answer"),
            }
        }
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
    let web = world.client.create_vm(&tiny("web")).await.unwrap();
    let before = world.outside();
    let http = reqwest::Client::new();
    let mut runner = TestRunner::new(Config::default());
    let bodies = bodies();
    let routes = prop::sample::select(vec![
        (Method::POST, "/v1/exec"),
        (Method::POST, "/v1/vms"),
        (Method::PATCH, "/v1/vms/web"),
        (Method::POST, "/v1/vms/web/exec"),
        (Method::POST, "/v1/vms/web/execs"),
        (Method::POST, "/v1/vms/web/files/mkdir"),
        (Method::POST, "/v1/vms/web/files/move"),
        (Method::POST, "/v1/vms/none/fork"),
        (Method::POST, "/v1/vms/none/snapshot"),
        (Method::PATCH, "/v1/snapshots/none"),
        (Method::POST, "/v1/images"),
        (Method::POST, "/v1/templates"),
        (Method::PUT, "/v1/pools"),
        (Method::POST, "/v1/functions"),
        (Method::PUT, "/v1/functions/f/aliases/a"),
        (Method::POST, "/v1/keys"),
        (Method::POST, "/v1/login"),
        (Method::POST, "/api/auth/login"),
        (Method::POST, "/api/auth/keys"),
        (Method::POST, "/api/vms"),
        (Method::POST, "/api/vms/from-dockerfile"),
        (Method::PUT, "/api/vms/VM/metadata"),
        (Method::PUT, "/api/vms/none/name"),
        (Method::POST, "/api/vms/none/snapshot"),
        (Method::POST, "/api/vms/VM/exec"),
        (Method::POST, "/api/vms/VM/exec-python"),
        (Method::POST, "/api/vms/VM/write-file"),
        (Method::POST, "/api/vms/VM/append-file"),
        (Method::POST, "/api/vms/VM/upload"),
        (Method::POST, "/api/vms/VM/http"),
        (Method::POST, "/api/snapshots/none/restore"),
        (Method::PUT, "/api/snapshots/none/name"),
        (Method::PUT, "/api/snapshots/none/metadata"),
    ]);
    for _ in 0..CASES {
        let ((method, path), mut body) = (draw(&mut runner, &routes), draw(&mut runner, &bodies));
        // The VM keeps its name and its life, so that it is found again.
        if path == "/v1/vms/web" {
            let fields = body.as_object_mut().unwrap();
            fields.remove("name");
            fields.remove("max_lifetime_s");
        }
        let path = path.replace("VM", &web.id);
        let request = http.request(method.clone(), format!("{}{path}", world.server));
        let sent = timeout(Duration::from_secs(60), request.json(&body).send()).await;
        let answer = sent.unwrap().unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        let shown: String = body.to_string().chars().take(300).collect();
        let answer = Answer { status, text };
        let text = &answer.text;
        assert!(
            answer.is_sound(),
            "{method} {path} {shown}: {status} {text}"
        );
        if status >= 400 {
            let error: Value = serde_json::from_str(text).unwrap();
            match path.starts_with("/api/") {
                true => assert!(
                    error["detail"].is_string() || error["detail"].is_array(),
                    "{text}"
                ),
                false => assert!(error["error"]["code"].is_string(), "{text}"),
            }
        }
    }
    assert_eq!(world.outside(), before);
    world.close().await;
}

/// Parts of a form, as bytes on the wire; sound ones and others.
fn forms() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "remote_path",
        "file",
        "dockerfile",
        "name",
        "mem_mib",
        "x",
    ]);
    let head = prop_oneof![
        4 => name.prop_map(|name| format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n")),
        1 => Just("Content-Disposition: form-data\r\n\r\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => "\\PC{0,30}",
    ];
    let value = prop_oneof![
        Just(b"/x".to_vec()),
        Just(b"../../outside".to_vec()),
        Just(b"a\0b".to_vec()),
        Just(vec![b'x'; 1 << 20]),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let end = prop::sample::select(vec!["--b--\r\n", "--b--", "--b", ""]);
    (prop::collection::vec((head, value), 0..5), end).prop_map(|(parts, end)| {
        let mut form = Vec::new();
        for (head, value) in parts {
            form.extend_from_slice(format!("--b\r\n{head}").as_bytes());
            form.extend_from_slice(&value);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(end.as_bytes());
        form
    })
}

#[tokio::test]
async fn no_form_whatever_it_is_breaks_the_server() {
    let world = World::new().await;
    let web = world.client.create_vm(&tiny("web")).await.unwrap();
    let before = world.outside();
    let http = reqwest::Client::new();
    let mut runner = TestRunner::new(Config::default());
    let forms = forms();
    for path in [
        format!("/api/vms/{}/upload", web.id),
        "/api/vms/none/upload".to_owned(),
        "/api/vms/from-dockerfile".to_owned(),
        "/v1/images".to_owned(),
    ] {
        for _ in 0..CASES / 10 {
            let form = draw(&mut runner, &forms);
            let shown = String::from_utf8_lossy(&form[..form.len().min(300)]).into_owned();
            let request = http
                .post(format!("{}{path}", world.server))
                .header("content-type", "multipart/form-data; boundary=b")
                .body(form);
            let answer = timeout(Duration::from_secs(60), request.send()).await;
            let answer = answer.unwrap().unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            let answer = Answer { status, text };
            assert!(
                answer.is_sound(),
                "{path} {shown:?}: {status} {}",
                answer.text
            );
            let body: Value = serde_json::from_str(&answer.text).unwrap();
            assert!(body.is_object(), "{}", answer.text);
        }
    }
    assert_eq!(world.outside(), before);
    world.close().await;
}
