//! Connections to the guest's own ports.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use support::host::{Host, Talk};
use thaw_guest_protocol::{FailureKind, FrameKind, Reply, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

async fn dial(host: &Host, port: u16) -> Talk {
    let mut talk = host.start(Request::Dial { port }).await;
    let frame = talk.frame().await.expect("a frame");
    assert_eq!(frame.kind, FrameKind::Begun);
    assert_eq!(frame.json::<Reply>().unwrap(), Reply::Connected);
    talk
}

/// A connection from both of its ends.
async fn connected() -> (Host, Talk, TcpStream) {
    let host = Host::local();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (talk, accepted) = tokio::join!(dial(&host, port), listener.accept());
    (host, talk, accepted.unwrap().0)
}

/// What comes up to the end of the port's half.
async fn half(talk: &mut Talk) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let frame = talk.frame().await.expect("a frame");
        match frame.kind {
            FrameKind::Data => bytes.extend_from_slice(&frame.payload),
            FrameKind::DataEnd => return bytes,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_half_ends_by_itself() {
    let (_host, mut talk, mut port) = connected().await;
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let serve = async {
        let mut got = Vec::new();
        port.read_to_end(&mut got).await.unwrap();
        // Our half has ended; the other one has not.
        port.write_all(&got).await.unwrap();
        port.shutdown().await.unwrap();
        got
    };
    let ask = async {
        assert!(talk.data(&sent).await);
        talk.end_data().await;
        half(&mut talk).await
    };
    let (got, back) = tokio::join!(serve, ask);
    assert!(got == sent && back == sent);
    let last = talk.frame().await.expect("a last frame");
    assert_eq!(last.json::<Reply>().unwrap(), Reply::Done);
}

#[tokio::test]
async fn a_port_may_end_its_half_first() {
    let (_host, mut talk, mut port) = connected().await;
    port.write_all(b"hello").await.unwrap();
    port.shutdown().await.unwrap();
    assert_eq!(half(&mut talk).await, b"hello");
    assert!(talk.data(b"late").await);
    talk.end_data().await;
    let mut got = Vec::new();
    port.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"late");
}

#[tokio::test]
async fn a_host_that_leaves_closes_the_connection() {
    let (host, talk, mut port) = connected().await;
    drop(talk);
    let mut got = Vec::new();
    // It may be reset or ended; it is over in either case.
    let _ = port.read_to_end(&mut got).await;
    assert_eq!(got, b"");
    drop(host);
}

#[tokio::test]
async fn a_port_that_nothing_listens_on_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = Host::local().call(Request::Dial { port }).await;
    assert_eq!(refused.unwrap_err().kind, FailureKind::ConnectionRefused);
}

#[tokio::test]
async fn a_server_on_ipv6_loopback_is_found() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        // A host without IPv6 can't show it; guests with it do, in the tests of the daemon.
        return;
    };
    let host = Host::local();
    let port = listener.local_addr().unwrap().port();
    let (_talk, accepted) = tokio::join!(dial(&host, port), listener.accept());
    accepted.unwrap();
}
