//! A terminal in a VM, over a WebSocket.

use std::convert::Infallible;

use axum::{
    extract::{
        Query, State,
        ws::{CloseFrame, Message},
    },
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use thaw_api_types::Encoding;
use thaw_runner::{
    RunningExec,
    node::{
        ExecError, ExecEvent, ExecInput, ExecProgram, ExecRequest,
        vmm::protocol::{Control, PtySize},
    },
};
use tokio::sync::mpsc;

use super::{
    extract::{Id, Socket},
    failure,
    frames::Framing,
    names,
    socket::{close, part, stopping},
};
use crate::{
    exec::{Sink, Stream, Text, inward, next_event, pings},
    state::App,
};

/// The subprotocol that clients with a token offer.
const PROTOCOL: &str = "bandsox.terminal";

/// The largest frame of a client, in bytes.
const MAX_FRAME_BYTES: usize = 1 << 20;

/// Starts a shell on a terminal. The client's leaving ends it.
pub(crate) async fn terminal(
    State(app): State<App>,
    Id(id): Id,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    Socket(upgrade): Socket,
) -> Response {
    let framing = framing(&headers);
    let size = PtySize {
        cols: side(&pairs, "cols", 80),
        rows: side(&pairs, "rows", 24),
    };
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_FRAME_BYTES)
        .on_upgrade(async move |socket| {
            let (mut sink, mut stream) = socket.split();
            let end = match shell(&app, &id, size).await {
                Ok(running) => pass(&app, running, &mut sink, &mut stream, framing).await,
                Err(end) => Some(end),
            };
            if let Some(end) = end {
                part(sink, stream, end).await;
            }
        })
}

fn framing(headers: &HeaderMap) -> Framing {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
            .unwrap_or_default()
    };
    let offered = text(header::SEC_WEBSOCKET_PROTOCOL);
    Framing::of(
        headers.contains_key(header::ORIGIN),
        offered.split(',').any(|word| word.trim() == PROTOCOL),
        text(header::USER_AGENT),
    )
}

/// A side of the terminal, 1 to 1000 cells; what is no number is the default.
fn side(pairs: &[(String, String)], name: &str, default: u16) -> u16 {
    let given = pairs.iter().find(|(key, _)| key == name);
    given
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(default)
        .clamp(1, 1000)
}

async fn shell(app: &App, id: &str, size: PtySize) -> Result<RunningExec, CloseFrame> {
    let request = ExecRequest {
        program: ExecProgram::Argv(vec!["/bin/sh".to_owned()]),
        env: vec![("TERM".to_owned(), "xterm-256color".to_owned())],
        cwd: Some("/".to_owned()),
        user: Some("0:0".to_owned()),
        stdin: true,
        timeout: None,
        output_limit_bytes: u64::MAX,
        pty: Some(size),
    };
    let refused = match names::usable_vm(app, id) {
        Ok(()) => match app.runner.vm_exec(id, request).await {
            Ok(running) => return Ok(running),
            Err(error) => failure::used(app, error).await,
        },
        Err(missing) => missing,
    };
    let why = refused.text();
    Err(match refused.status() {
        StatusCode::NOT_FOUND => close(4004, &why),
        _ => close(4000, &format!("Failed to start session: {why}")),
    })
}

/// Passes keys in and output out, until the shell ends or the client leaves. Neither waits for the other: a shell
/// that takes no keys still shows what it writes, and ends with its client.
///
/// Returns how to close the socket; nothing when the client has left.
async fn pass(
    app: &App,
    mut running: RunningExec,
    sink: &mut Sink,
    stream: &mut Stream,
    framing: Framing,
) -> Option<CloseFrame> {
    let (input, output) = running.channels();
    tokio::select! {
        shown = outward(sink, output, framing) => shown.map(|()| close(1000, "")),
        Ok(()) = inward(stream, input, read) => None,
        () = app.runner.stopped() => Some(stopping()),
    }
}

/// Nothing is returned when the client has left.
async fn outward(
    sink: &mut Sink,
    output: &mut mpsc::Receiver<Result<ExecEvent, ExecError>>,
    framing: Framing,
) -> Option<()> {
    let mut text = Text::new(Encoding::Utf8);
    let mut pings = pings();
    loop {
        let event = next_event(output, &mut pings, sink).await.ok()?;
        let (piece, over) = match event {
            Some(Ok(ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes))) => {
                (text.push(&bytes), false)
            }
            Some(Ok(ExecEvent::Exit { .. }) | Err(_)) | None => (text.finish(), true),
        };
        if let Some(piece) = piece {
            let frame = Message::Text(framing.encode(&piece.data).into());
            sink.send(frame).await.ok()?;
        }
        if over {
            return Some(());
        }
    }
}

/// What a message says to the shell; what is nothing of this is passed over.
fn read(message: Message) -> Result<Option<ExecInput>, Infallible> {
    Ok(match message {
        Message::Text(frame) => word(&frame),
        Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Close(_) => None,
    })
}

/// What a client's frame says; what is nothing of this is passed over.
fn word(frame: &str) -> Option<ExecInput> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    match frame.get("type")?.as_str()? {
        "input" => {
            let keys = STANDARD.decode(frame.get("data")?.as_str()?).ok()?;
            Some(ExecInput::Stdin(Bytes::from(keys)))
        }
        "resize" => {
            let side = |name| {
                let cells = frame.get(name)?.as_u64()?;
                u16::try_from(cells).ok().filter(|cells| *cells > 0)
            };
            Some(ExecInput::Control(Control::Resize(PtySize {
                cols: side("cols")?,
                rows: side("rows")?,
            })))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_say_nothing_are_passed_over() {
        for frame in [
            "x",
            "[]",
            r#"{"type":"input"}"#,
            r#"{"type":"resize","cols":0,"rows":1}"#,
        ] {
            assert!(word(frame).is_none(), "{frame}");
        }
        let keys = word(r#"{"type":"input","data":"bHMK"}"#);
        assert!(matches!(keys, Some(ExecInput::Stdin(bytes)) if bytes == "ls\n"));
    }

    #[test]
    fn a_side_that_is_no_number_is_the_default() {
        let pairs = [
            ("cols".to_owned(), "x".to_owned()),
            ("rows".to_owned(), "70000".to_owned()),
        ];
        assert_eq!(side(&pairs, "cols", 80), 80);
        assert_eq!(side(&pairs, "rows", 24), 24);
        assert_eq!(side(&[], "rows", 24), 24);
    }
}
