//! A command line whose output is sent while it runs, over a WebSocket.

use std::time::Duration;

use axum::extract::{
    State,
    ws::{CloseFrame, Message, WebSocket},
};
use axum::response::Response;
use serde_json::{Value, json};
use thaw_api_types::Encoding;
use thaw_runner::node::{ExecEvent, ExecProgram, vmm::protocol::Exit};

use super::{
    exec::{code, start},
    extract::{Id, Socket},
};
use crate::{exec::Text, state::App};

/// How long a command may run when the client does not say, and at most, in seconds.
const TIMEOUT_S: (u64, u64) = (600, 3600);

/// The largest first frame, in bytes.
const MAX_START_BYTES: usize = 1 << 20;

/// Takes the command from the client's first frame and streams what it writes.
pub(crate) async fn exec_stream(
    State(app): State<App>,
    Id(id): Id,
    Socket(upgrade): Socket,
) -> Response {
    upgrade
        .max_message_size(MAX_START_BYTES)
        .on_upgrade(async move |mut socket| {
            let end = serve(&app, &id, &mut socket)
                .await
                .unwrap_or_else(|end| end);
            // A client that has left is not told.
            let _ = socket.send(Message::Close(Some(end))).await;
        })
}

/// Returns how to close the socket; as an error too where an error was the reason.
async fn serve(app: &App, id: &str, socket: &mut WebSocket) -> Result<CloseFrame, CloseFrame> {
    let Some(Ok(Message::Text(first))) = socket.recv().await else {
        return Err(refuse(socket, 4000, "invalid start").await);
    };
    let (command, timeout) = match parse(&first) {
        Ok(start) => start,
        Err(why) => return Err(refuse(socket, 4000, why).await),
    };
    let mut running = match start(app, id, ExecProgram::Shell(command), None, timeout).await {
        Ok(running) => running,
        Err(error) => {
            let not_found = error.status() == 404;
            let close = if not_found { 4004 } else { 1000 };
            return Err(refuse(socket, close, &error.text()).await);
        }
    };
    let mut stdout = Text::new(Encoding::Utf8);
    let mut stderr = Text::new(Encoding::Utf8);
    loop {
        let event = running.channels().1.recv().await;
        let frame = match event {
            Some(Ok(ExecEvent::Stdout(bytes))) => piece("stdout", stdout.push(&bytes)),
            Some(Ok(ExecEvent::Stderr(bytes))) => piece("stderr", stderr.push(&bytes)),
            Some(Ok(ExecEvent::Exit { exit, .. })) => {
                send(socket, piece("stdout", stdout.finish())).await;
                send(socket, piece("stderr", stderr.finish())).await;
                send(socket, Some(last(&exit))).await;
                return Ok(close(1000, ""));
            }
            Some(Err(error)) => {
                let text = crate::failure::exec(&error).body().error.message;
                return Err(refuse(socket, 1000, &text).await);
            }
            None => return Err(refuse(socket, 1000, "the VM was lost").await),
        };
        // The command of a client that has left runs on to its end, within its time.
        send(socket, frame).await;
    }
}

/// The last frame. What was cut of the output is marked in it.
fn last(exit: &Exit) -> Value {
    let mut frame = if exit.timed_out {
        json!({ "type": "error", "error": "Command timed out" })
    } else {
        json!({ "type": "exit", "exit_code": code(exit) })
    };
    for (mark, cut) in [
        ("stdout_truncated", exit.stdout_truncated),
        ("stderr_truncated", exit.stderr_truncated),
    ] {
        if cut {
            frame[mark] = true.into();
        }
    }
    frame
}

fn parse(first: &str) -> Result<(String, Duration), &'static str> {
    let start: Value = serde_json::from_str(first).map_err(|_| "invalid start")?;
    let start = start.as_object().ok_or("invalid start")?;
    let command = start
        .get("command")
        .and_then(Value::as_str)
        .filter(|command| !command.is_empty())
        .ok_or("command required")?;
    let (default, most) = TIMEOUT_S;
    let seconds = match start.get("timeout") {
        None | Some(Value::Null) => default,
        Some(given) => given.as_u64().ok_or("invalid timeout")?.clamp(1, most),
    };
    Ok((command.to_owned(), Duration::from_secs(seconds)))
}

fn piece(kind: &str, chunk: Option<thaw_api_types::OutputChunk>) -> Option<Value> {
    Some(json!({ "type": kind, "data": chunk?.data }))
}

/// Sends a frame, if there is one; a client that has left is not told.
async fn send(socket: &mut WebSocket, frame: Option<Value>) {
    if let Some(frame) = frame {
        let _ = socket.send(Message::Text(frame.to_string().into())).await;
    }
}

async fn refuse(socket: &mut WebSocket, code: u16, why: &str) -> CloseFrame {
    let frame = json!({ "type": "error", "error": why });
    send(socket, Some(frame)).await;
    close(code, why)
}

pub(super) fn close(code: u16, reason: &str) -> CloseFrame {
    // A close frame's reason has room for 123 bytes (RFC 6455, 5.5).
    let end = reason.floor_char_boundary(123);
    CloseFrame {
        code,
        reason: reason[..end].to_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use thaw_runner::node::vmm::protocol::{ExitStatus, GuestTimings};

    use super::*;

    #[test]
    fn what_was_cut_is_marked_in_the_last_frame_and_nowhere_else() {
        let mut exit = Exit {
            status: ExitStatus::Exited(4),
            timed_out: false,
            stdout_truncated: false,
            stderr_truncated: false,
            timings: GuestTimings::default(),
        };
        assert_eq!(last(&exit), json!({ "type": "exit", "exit_code": 4 }));
        exit.stderr_truncated = true;
        assert_eq!(
            last(&exit),
            json!({ "type": "exit", "exit_code": 4, "stderr_truncated": true })
        );
    }

    #[test]
    fn a_start_needs_a_command_and_its_timeout_is_clamped() {
        let seconds = |text| parse(text).map(|(_, timeout)| timeout.as_secs());
        assert_eq!(seconds(r#"{"command":"true"}"#), Ok(600));
        assert_eq!(seconds(r#"{"command":"true","timeout":0}"#), Ok(1));
        assert_eq!(seconds(r#"{"command":"true","timeout":99999}"#), Ok(3600));
        assert_eq!(
            seconds(r#"{"command":"true","timeout":"x"}"#),
            Err("invalid timeout")
        );
        assert_eq!(seconds(r#"{"command":""}"#), Err("command required"));
        assert_eq!(seconds("[]"), Err("invalid start"));
    }
}
