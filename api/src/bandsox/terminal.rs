//! A terminal in a VM, over a WebSocket.

use axum::{
    extract::{
        Query, State,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;
use thaw_api_types::Encoding;
use thaw_runner::{
    RunningExec,
    node::{
        ExecEvent, ExecInput, ExecProgram, ExecRequest,
        vmm::protocol::{Control, PtySize},
    },
};

use super::{
    exec_stream::close,
    extract::{Id, Socket},
    failure,
    frames::Framing,
    names,
};
use crate::{exec::Text, state::App};

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
        .on_upgrade(async move |mut socket| {
            let end = match shell(&app, &id, size).await {
                Ok(running) => {
                    pass(running, &mut socket, framing).await;
                    close(1000, "")
                }
                Err(end) => end,
            };
            // A client that has left is not told.
            let _ = socket.send(Message::Close(Some(end))).await;
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

async fn shell(
    app: &App,
    id: &str,
    size: PtySize,
) -> Result<RunningExec, axum::extract::ws::CloseFrame> {
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

/// Passes keys in and output out, until the shell ends or the client leaves.
async fn pass(mut running: RunningExec, socket: &mut WebSocket, framing: Framing) {
    let mut text = Text::new(Encoding::Utf8);
    loop {
        let (input, output) = running.channels();
        tokio::select! {
            event = output.recv() => {
                let (piece, over) = match event {
                    Some(Ok(ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes))) => (text.push(&bytes), false),
                    Some(Ok(ExecEvent::Exit { .. }) | Err(_)) | None => (text.finish(), true),
                };
                if let Some(piece) = piece {
                    let frame = Message::Text(framing.encode(&piece.data).into());
                    if socket.send(frame).await.is_err() {
                        return;
                    }
                }
                if over {
                    return;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(frame))) => {
                    // The shell's end is told by its output.
                    if let Some(word) = word(&frame) {
                        let _ = input.send(word).await;
                    }
                }
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    }
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
