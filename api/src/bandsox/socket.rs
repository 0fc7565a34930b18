//! How a WebSocket of this surface is closed.

use axum::extract::ws::{CloseFrame, Message};

use crate::exec::{self, Sink, Stream};

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
pub(super) async fn part(sink: Sink, stream: Stream, end: CloseFrame) {
    exec::part(sink, stream, [Message::Close(Some(end))]).await;
}
