//! Clients that go away, and clients that come too many.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{World, exec};

/// Sends an exec and leaves the connection open.
async fn begin(world: &World, accept: &str) -> TcpStream {
    let body = exec(json!({ "argv": ["hang"] })).to_string();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /v1/exec HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        world.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_its_vm_with_it() {
    let world = World::new().await;
    for accept in ["application/json", "text/event-stream"] {
        let stream = begin(&world, accept).await;
        world.leased(1).await;
        drop(stream);
        world.nothing_is_leased().await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_after_the_answer_began_takes_its_vm_with_it() {
    let world = World::new().await;
    let mut stream = begin(&world, "text/event-stream").await;
    // The head comes after a second without a sign of the program.
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    world.leased(1).await;
    drop(stream);
    world.nothing_is_leased().await;
    world.close().await;
}

#[tokio::test]
async fn more_callers_than_may_wait_are_refused_with_the_time_to_come_back() {
    let world = World::with(|limits| limits.waiting = 1).await;
    assert_eq!(world.exec(json!({ "argv": ["true"] })).await.status, 200);
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::from_secs(5));
    let calls = (0..12).map(|_| world.exec(json!({ "argv": ["hang"], "timeout_ms": 3000 })));
    let answers = futures::future::join_all(calls).await;
    let full: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 429)
        .collect();
    assert!(!full.is_empty(), "{answers:?}");
    for refused in full {
        assert_eq!(refused.code(), "pool_full");
        assert!(refused.retry_after.is_some());
        assert!(refused.hint().contains("thaw pool set"));
    }
    world
        .engine
        .faults(|faults| faults.restore_delay = Duration::ZERO);
    world.close().await;
}

/// Sends a request to where nothing is, with a body; returns the answer.
async fn send_for_nothing(world: &World, more: &str, length: usize) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "PUT /v1/vms/none/files/content?path=/x HTTP/1.1\r\nHost: {}\r\n{more}\
         Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n",
        world.address,
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    if !more.contains("Expect") {
        // Like many clients it reads nothing before all is sent.
        let piece = vec![0; 1 << 20];
        for _ in 0..length / piece.len() {
            stream.write_all(&piece).await.unwrap();
        }
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_client_that_is_refused_while_it_sends_much_reads_why() {
    let world = World::new().await;
    for more in ["", "Expect: 100-continue\r\n"] {
        let answer = send_for_nothing(&world, more, 64 << 20).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(answer.contains("vm_not_found"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    world.close().await;
}
