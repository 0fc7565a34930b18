//! How a WebSocket of this surface is closed.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::time::timeout;

use crate::exec::FAREWELL;

pub(super) type Sink = SplitSink<WebSocket, Message>;
pub(super) type Stream = SplitStream<WebSocket>;

pub(super) fn close(code: u16, reason: &str) -> CloseFrame {
    // A close frame's reason has room for 123 bytes (RFC 6455, 5.5).
    let end = reason.floor_char_boundary(123);
    CloseFrame {
        code,
        reason: reason[..end].to_owned().into(),
    }
}

/// What is said to whoever is still there when the server stops.
pub(super) fn stopping() -> CloseFrame {
    close(1001, "the server is shutting down")
}

/// Says why nothing follows. A client that has left is not told.
pub(super) async fn part(mut sink: Sink, mut stream: Stream, end: CloseFrame) {
    let farewell = async {
        if sink.send(Message::Close(Some(end))).await.is_err() {
            return;
        }
        // What it had already sent is read, else the network would throw the last message away.
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = timeout(FAREWELL, farewell).await;
}
