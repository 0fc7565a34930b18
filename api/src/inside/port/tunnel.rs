//! `/v1/vms/{id}/tcp/{port}`: the bytes of one connection, over a WebSocket.
//!
//! ```text
//! client                                  server
//!   binary: bytes to the port        ►
//!   text TunnelMessage::End          ►           our half has ended
//!                                    ◄  binary   bytes from the port
//!                                    ◄  text     TunnelMessage: the port's half has ended, or the connection broke
//! both halves have ended ──► the close       either side leaves ──► the connection is closed
//! ```

use std::time::Duration;

use axum::{
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use thaw_api_types::{ErrorBody, ErrorCode, ErrorDetail, TunnelMessage, limits::MAX_NAME_CHARS};
use thaw_runner::VmPort;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{error::ApiError, failure, state::App};

/// The largest message that is taken, in bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// How much is read from the port at once.
const PIECE_BYTES: usize = 32 * 1024;

/// How often something is said at least, so that nobody in between takes the connection for unused.
const BETWEEN_PINGS: Duration = Duration::from_secs(20);

/// How long a client has to close its side after the last message.
const FAREWELL: Duration = Duration::from_secs(1);

/// Connect to a port inside a VM
///
/// A WebSocket that carries the bytes of one TCP connection: binary messages, both ways. The text message
/// `{"type": "end"}` ends a half, as a shutdown for writing does. Closing ends both. Nothing listens: 502, `port_refused`.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/tcp/{port}",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("port" = u16, Path, description = "The port: 1 to 65535"),
    ),
    responses(
        (status = 101, description = "The port has taken the connection"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn tunnel(
    State(app): State<App>,
    Path((vm, port)): Path<(String, String)>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let mut problems = Vec::new();
    if vm.chars().count() > MAX_NAME_CHARS {
        problems.push(format!(
            "ids and names have at most {MAX_NAME_CHARS} characters"
        ));
    }
    let number = port.parse().ok().filter(|port| *port > 0);
    if number.is_none() {
        problems.push(format!("{port:?} is no port; ports are 1 to 65535"));
    }
    let Some(port) = number.filter(|_| problems.is_empty()) else {
        return Err(ApiError::invalid(&problems));
    };
    let port = match app.runner.vm_dial(&vm, port).await {
        Ok(port) => port,
        Err(error) => return Err(failure::vm(&app, None, &error).await),
    };
    let upgrade = upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        tokio::select! {
            () = carry(socket, port) => {}
            () = app.runner.stopped() => {}
        }
    }))
}

async fn carry(socket: WebSocket, port: VmPort) {
    let (mut sink, mut stream) = socket.split();
    let (mut from, mut to) = split(port);
    // An end of one half is waited out; a side that left ends both.
    let both = async {
        tokio::try_join!(outward(&mut from, &mut sink), inward(&mut stream, &mut to)).is_ok()
    };
    if !both.await {
        return;
    }
    let farewell = async {
        if sink.close().await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    };
    let _ = timeout(FAREWELL, farewell).await;
}

/// One side is not there any more.
struct Left;

async fn outward(
    from: &mut ReadHalf<VmPort>,
    sink: &mut SplitSink<WebSocket, Message>,
) -> Result<(), Left> {
    let mut pings = interval(BETWEEN_PINGS);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut piece = BytesMut::new();
    loop {
        piece.reserve(PIECE_BYTES);
        let message = tokio::select! {
            read = from.read_buf(&mut piece) => match read {
                Ok(0) => return say(sink, &TunnelMessage::End).await,
                Ok(_) => Message::Binary(piece.split().freeze()),
                Err(error) => {
                    let error = ErrorDetail {
                        code: ErrorCode::PortBroken,
                        message: format!("the connection in the VM broke: {error}"),
                        hint: None,
                    };
                    say(sink, &TunnelMessage::Error { error }).await?;
                    return Err(Left);
                }
            },
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        sink.send(message).await.map_err(|_| Left)?;
    }
}

async fn say(
    sink: &mut SplitSink<WebSocket, Message>,
    message: &TunnelMessage,
) -> Result<(), Left> {
    let text = serde_json::to_string(message).unwrap_or_default();
    sink.send(Message::Text(text.into()))
        .await
        .map_err(|_| Left)
}

async fn inward(
    stream: &mut SplitStream<WebSocket>,
    to: &mut WriteHalf<VmPort>,
) -> Result<(), Left> {
    // A port that takes no more may still say something.
    let mut takes = true;
    loop {
        match stream.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                takes = takes && to.write_all(&bytes).await.is_ok();
            }
            Some(Ok(Message::Text(text))) => {
                return match serde_json::from_str(&text) {
                    Ok(TunnelMessage::End) => {
                        let _ = to.shutdown().await;
                        Ok(())
                    }
                    // What makes no sense ends the connection, as what broke on the other side does.
                    Ok(TunnelMessage::Error { .. }) | Err(_) => Err(Left),
                };
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Left),
        }
    }
}
