//! What a client sends, on its way to a program that may be slow to take it.
//!
//! ```text
//! client ─► socket ─► waiting (1 MiB) ─► the program's input (a bounded queue) ─► guest
//! ```
//! As long as there is room to wait, the socket is read: pings are answered and a client that leaves is noticed,
//! however long the program takes nothing. Beyond that the client is slowed down, and its leaving shows when
//! the next ping can't be sent.

use std::collections::VecDeque;

use axum::extract::ws::{Message, WebSocket};
use futures::{StreamExt as _, stream::SplitStream};
use thaw_runner::node::ExecInput;
use tokio::sync::mpsc;

/// How much input waits for a program, in bytes, and at most one message more.
const WAITING_BYTES: usize = 1 << 20;

/// What a piece takes at least: many empty ones are not for nothing.
const PIECE_BYTES: usize = 64;

/// Carries what `read` makes of each message to the program, until the client leaves. A program that has ended is
/// told by its output; what is still sent to it is thrown away.
///
/// # Errors
/// What `read` finds wrong with a message.
///
/// # Cancel safety
/// What waits is lost.
pub(crate) async fn inward<E>(
    stream: &mut SplitStream<WebSocket>,
    input: &mpsc::Sender<ExecInput>,
    read: impl Fn(Message) -> Result<Option<ExecInput>, E>,
) -> Result<(), E> {
    let mut waiting = VecDeque::new();
    let mut bytes = 0;
    loop {
        tokio::select! {
            permit = input.reserve(), if !waiting.is_empty() => match (permit, waiting.pop_front()) {
                (Ok(permit), Some(piece)) => {
                    bytes -= size(&piece);
                    permit.send(piece);
                }
                (Ok(_), None) => {}
                (Err(_), _) => {
                    waiting.clear();
                    bytes = 0;
                }
            },
            message = stream.next(), if bytes < WAITING_BYTES => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(message)) => if let Some(piece) = read(message)? {
                    bytes += size(&piece);
                    waiting.push_back(piece);
                }
            },
        }
    }
}

fn size(piece: &ExecInput) -> usize {
    match piece {
        ExecInput::Stdin(bytes) => bytes.len().max(PIECE_BYTES),
        ExecInput::StdinEnd | ExecInput::Control(_) => PIECE_BYTES,
    }
}
