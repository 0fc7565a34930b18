//! No web page reaches the service: the gate stands before every route.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::world::{World, answer, exec};

#[tokio::test]
async fn a_foreign_host_or_origin_is_turned_away_on_every_route_before_anything_runs() {
    let world = World::new().await;
    for (method, path) in [
        ("POST", "/v1/exec"),
        ("GET", "/v1/images"),
        ("POST", "/v1/vms"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/nowhere"),
    ] {
        let request = || {
            world
                .request(method, path)
                .json(&exec(json!({ "argv": ["true"] })))
        };
        let rebound = answer(request().header("host", "evil.example:8000")).await;
        assert_eq!(
            (rebound.status, rebound.code()),
            (403, "host_not_allowed"),
            "{path}"
        );
        assert!(rebound.hint().contains("--allow-host"));
        let foreign = answer(request().header("origin", "http://evil.example")).await;
        assert_eq!(
            (foreign.status, foreign.code()),
            (403, "origin_not_allowed"),
            "{path}"
        );
        let framed = answer(request().header("sec-fetch-site", "cross-site")).await;
        assert_eq!(
            (framed.status, framed.code()),
            (403, "origin_not_allowed"),
            "{path}"
        );
    }
    assert_eq!(
        world.call("GET", "/v1/templates", None).await.body["templates"],
        json!([])
    );
    world.close().await;
}

#[tokio::test]
async fn a_link_of_another_site_leads_to_an_open_page_and_to_nothing_else() {
    let world = World::new().await;
    for (path, mode, dest, status) in [
        ("/login", "navigate", "document", 200),
        ("/docs", "navigate", "document", 200),
        ("/", "navigate", "document", 200),
        ("/dashboard/vms", "navigate", "document", 200),
        ("/terminal?id=vm-1", "navigate", "document", 200),
        ("/dashboard/vms", "navigate", "iframe", 403),
        ("/docs", "navigate", "iframe", 403),
        ("/docs", "no-cors", "script", 403),
        ("/openapi.json", "navigate", "document", 403),
        ("/v1/vms", "navigate", "document", 403),
    ] {
        let request = world
            .request("GET", path)
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest);
        assert_eq!(answer(request).await.status, status, "{path} {mode} {dest}");
    }
    let post = world.request("POST", "/v1/login").json(&json!({}));
    let post = post
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    assert_eq!(answer(post).await.status, 403);
    world.close().await;
}

#[tokio::test]
async fn its_own_page_and_plain_programs_are_let_in() {
    let world = World::new().await;
    let own = format!("http://{}", world.address);
    let request = world
        .request("POST", "/v1/exec")
        .json(&exec(json!({ "argv": ["true"] })));
    assert_eq!(answer(request.header("origin", own)).await.status, 200);
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"] {
        assert_eq!(world.call("GET", path, None).await.status, 200, "{path}");
    }
    world.close().await;
}

#[tokio::test]
async fn clients_of_aws_are_turned_away_in_the_shape_that_they_read() {
    let world = World::new().await;
    let request = world.request("POST", "/2015-03-31/functions/f/invocations");
    let foreign = request.header("origin", "http://evil.example");
    let foreign = foreign.send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    assert_eq!(
        foreign.headers()["x-amzn-errortype"],
        "AccessDeniedException"
    );
    assert!(foreign.headers().contains_key("x-amzn-requestid"));
    let body: serde_json::Value = foreign.json().await.unwrap();
    assert_eq!(body["Type"], "User");
    assert!(body["Message"].as_str().unwrap().contains("origin"));
    world.close().await;
}

/// Sends a body of so many bytes to a route that refuses it unread, and then asks for more on that connection.
async fn after_a_refusal(world: &World, bytes: usize) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let host = format!("host: {}\r\n", world.address);
    let head = format!(
        "PUT /v1/vms/none/files/content?path=/a HTTP/1.1\r\n{host}content-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The connection may be closed while this is sent.
    let _ = stream.write_all(&vec![b'x'; bytes]).await;
    let last = format!("GET /healthz HTTP/1.1\r\n{host}connection: close\r\n\r\n");
    let _ = stream.write_all(last.as_bytes()).await;
    let mut answers = Vec::new();
    let reading = timeout(Duration::from_secs(30), stream.read_to_end(&mut answers));
    let _ = reading.await.unwrap();
    String::from_utf8(answers).unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again_after_an_upload_that_was_refused_or_says_that_it_closes() {
    let world = World::new().await;
    for bytes in [100, 4 << 10, 64 << 10] {
        let answers = after_a_refusal(&world, bytes).await;
        assert!(answers.starts_with("HTTP/1.1 404"), "{answers}");
        assert!(answers.contains("HTTP/1.1 200"), "{bytes}: {answers}");
    }
    let answers = after_a_refusal(&world, 8 << 20).await;
    assert!(!answers.contains("HTTP/1.1 200"), "{answers}");
    // The system may throw an answer away with what nobody reads.
    assert!(
        answers.is_empty() || answers.contains("connection: close"),
        "{answers}"
    );
    world.close().await;
}
