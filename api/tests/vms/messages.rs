//! Whatever a client says on a WebSocket: the server neither breaks nor keeps the connection.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{SinkExt as _, StreamExt as _};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{World, tiny};

/// Connections for each kind of WebSocket.
const CONNECTIONS: usize = 60;

/// For anything that must happen at all.
const SOON: Duration = Duration::from_secs(60);

const SOCKETS: [&str; 4] = [
    "/v1/vms/{}/exec/ws",
    "/v1/vms/{}/terminal?cols=80&rows=24",
    "/api/vms/{}/terminal",
    "/api/vms/{}/exec-stream",
];

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// What is meant, nearly meant, and not meant at all.
fn messages() -> impl Strategy<Value = Message> {
    let meant = prop::sample::select(vec![
        json!({ "exec": { "argv": ["true"] } }),
        json!({ "exec": { "argv": ["true"] }, "stdin": true, "tty": { "cols": 80, "rows": 24 } }),
        json!({ "exec": { "argv": [] }, "tty": { "cols": 0, "rows": 70_000 } }),
        json!({ "type": "resize", "cols": 1, "rows": 1000 }),
        json!({ "type": "resize", "cols": -1, "rows": "many" }),
        json!({ "type": "signal", "signal": 9 }),
        json!({ "type": "signal", "signal": i64::MIN }),
        json!({ "type": "stdin_end" }),
        json!({ "type": "end" }),
        json!({ "type": "input", "data": "bHM=" }),
        json!({ "type": "input", "data": "no base64: \u{1f9ca}" }),
        json!({ "command": "true", "timeout": -1 }),
        json!({ "command": "true" }),
        json!([[[[]]]]),
        json!(null),
    ]);
    prop_oneof![
        4 => meant.prop_map(|value| Message::text(value.to_string())),
        1 => "\\PC{0,40}".prop_map(Message::text),
        1 => Just(Message::text("[".repeat(100_000))),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::binary),
        1 => Just(Message::binary(vec![0; 300_000])),
        1 => prop::collection::vec(any::<u8>(), 0..125).prop_map(|bytes| Message::Ping(bytes.into())),
        1 => Just(Message::Pong(Vec::new().into())),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Parting {
    /// As the protocol has it.
    Close,
    /// The connection is gone.
    Drop,
}

#[tokio::test]
async fn no_message_whatever_it_is_breaks_the_server_or_keeps_a_connection() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        shown(panic);
    }));
    let world = World::new().await;
    let vm = world.client.create_vm(&tiny("web")).await.unwrap();
    let before = world.outside();
    let mut runner = TestRunner::new(Config::default());
    let said = prop::collection::vec(messages(), 0..8);
    let partings = prop::sample::select(vec![Parting::Close, Parting::Drop]);
    for socket in SOCKETS {
        let path = socket.replace("{}", &vm.id);
        let url = format!("{}{path}", world.server.replacen("http", "ws", 1));
        for _ in 0..CONNECTIONS {
            let mut draw = || {
                let said = said.new_tree(&mut runner).unwrap().current();
                (said, partings.new_tree(&mut runner).unwrap().current())
            };
            let (said, parting) = draw();
            let (mut socket, _) = timeout(SOON, connect_async(&url)).await.unwrap().unwrap();
            for message in &said {
                // A server that has hung up already need not hear the rest.
                if socket.send(message.clone()).await.is_err() {
                    break;
                }
            }
            if let Parting::Close = parting {
                let _ = socket.close(None).await;
                let ends = async { while let Some(Ok(_)) = socket.next().await {} };
                let ended = timeout(SOON, ends).await;
                assert!(ended.is_ok(), "{path} stays open after {said:?}");
            }
        }
    }
    assert_eq!(world.outside(), before);
    assert_eq!(world.client.vm(&vm.id).await.unwrap().id, vm.id);
    // It waits for every connection, so that none is left behind.
    world.close().await;
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}
