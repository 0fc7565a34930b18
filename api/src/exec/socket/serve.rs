//! One program and its WebSocket, until one of the two ends.

use std::time::Instant;

use axum::extract::ws::{Message, WebSocket};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _};
use thaw_api_types::{
    ErrorCode, SocketControl, SocketEnd,
    socket::{STDERR_CHANNEL, STDOUT_CHANNEL},
};
use thaw_runner::{
    RunningExec,
    node::{
        ExecError, ExecEvent, ExecInput, ExecTimings,
        vmm::protocol::{Control, Exit, PtySize},
    },
};
use tokio::sync::mpsc;

use super::{
    client::{Sink, next_event, part, pings},
    inward::inward,
};
use crate::{
    error::ApiError,
    exec::{account::Account, finish::finish},
    failure,
    state::App,
};

/// The largest message that is taken, in bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// How output is put into binary messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// As it is; a terminal has one stream.
    Raw,
    /// With a byte in front that says which stream it is.
    Channels,
}

/// Carries a program's input and output, and says how it ended.
pub(super) async fn serve(
    app: App,
    socket: WebSocket,
    mut running: RunningExec,
    account: Account,
    arrived: Instant,
    framing: Framing,
) {
    let (mut sink, mut stream) = socket.split();
    let (input, output) = running.channels();
    let last = tokio::select! {
        last = outward(&mut sink, output, framing) => last,
        left = inward(&mut stream, input, read) => left.map_or_else(Last::Refused, |()| Last::Left),
        () = app.runner.stopped() => Last::Refused(ApiError::new(
            ErrorCode::ShuttingDown,
            "the server is shutting down",
        )),
    };
    let end = match last {
        // The account sees by itself that nobody waited for the end.
        Last::Left => return,
        Last::Exit(exit, timings) => {
            let exit = finish(&running, &exit, timings, arrived);
            account.ended(&exit);
            SocketEnd::Exit(exit)
        }
        Last::Refused(error) => {
            account.failed(&error);
            SocketEnd::Error {
                error: error.body().error,
            }
        }
    };
    // The program ends, or has ended, whether or not the client hears of it.
    drop(running);
    part(sink, stream, last_words(&end)).await;
}

/// Tells a client why nothing runs.
pub(super) async fn refuse(socket: WebSocket, account: Account, error: ApiError) {
    account.failed(&error);
    let (sink, stream) = socket.split();
    let end = SocketEnd::Error {
        error: error.body().error,
    };
    part(sink, stream, last_words(&end)).await;
}

fn last_words(end: &SocketEnd) -> [Message; 2] {
    let text = serde_json::to_string(end).unwrap_or_default();
    [Message::Text(text.into()), Message::Close(None)]
}

/// Why a socket's program is attended to no more.
enum Last {
    Exit(Exit, ExecTimings),
    Refused(ApiError),
    /// The client is gone.
    Left,
}

async fn outward(
    sink: &mut Sink,
    output: &mut mpsc::Receiver<Result<ExecEvent, ExecError>>,
    framing: Framing,
) -> Last {
    let mut pings = pings();
    loop {
        let Ok(event) = next_event(output, &mut pings, sink).await else {
            return Last::Left;
        };
        let message = match event {
            Some(Ok(ExecEvent::Stdout(bytes))) => framed(framing, STDOUT_CHANNEL, bytes),
            Some(Ok(ExecEvent::Stderr(bytes))) => framed(framing, STDERR_CHANNEL, bytes),
            Some(Ok(ExecEvent::Exit { exit, timings })) => return Last::Exit(exit, timings),
            Some(Err(error)) => return Last::Refused(failure::exec(&error)),
            None => return Last::Refused(failure::lost()),
        };
        if sink.send(message).await.is_err() {
            return Last::Left;
        }
    }
}

fn framed(framing: Framing, channel: u8, bytes: Bytes) -> Message {
    match framing {
        Framing::Raw => Message::Binary(bytes),
        Framing::Channels => {
            let mut message = BytesMut::with_capacity(bytes.len() + 1);
            message.put_u8(channel);
            message.put_slice(&bytes);
            Message::Binary(message.freeze())
        }
    }
}

/// What a message says to the program.
fn read(message: Message) -> Result<Option<ExecInput>, ApiError> {
    match message {
        Message::Binary(bytes) => Ok(Some(ExecInput::Stdin(bytes))),
        Message::Text(text) => control(&text).map(Some),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(None),
    }
}

fn control(text: &str) -> Result<ExecInput, ApiError> {
    let invalid = |problem: String| ApiError::invalid(&[problem]);
    let control = serde_json::from_str(text)
        .map_err(|error| invalid(format!("a text message that is no control: {error}")))?;
    Ok(match control {
        SocketControl::StdinEnd => ExecInput::StdinEnd,
        SocketControl::Signal { signal } if (1..=64).contains(&signal) => {
            ExecInput::Control(Control::Signal { signal })
        }
        SocketControl::Signal { signal } => {
            return Err(invalid(format!("signal is {signal}; it may be 1 to 64")));
        }
        SocketControl::Resize(size) => {
            if let Some(problem) = size.problem() {
                return Err(invalid(problem));
            }
            ExecInput::Control(Control::Resize(PtySize {
                cols: size.cols,
                rows: size.rows,
            }))
        }
    })
}
