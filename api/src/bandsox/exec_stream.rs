//! A command line whose output is sent while it runs, over a WebSocket.

use std::time::Duration;

use axum::extract::{
    State,
    ws::{CloseFrame, Message},
};
use axum::response::Response;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use thaw_api_types::Encoding;
use thaw_runner::{
    RunningExec,
    node::{ExecEvent, ExecProgram, vmm::protocol::Exit},
};

use super::{
    exec::{code, start},
    extract::{Id, Socket},
    socket::{close, part, stopping},
};
use crate::{
    exec::{Sink, Stream, Text, next_event, pings},
    state::App,
};

/// How long a command may run when the client does not say, and at most, in seconds.
const TIMEOUT_S: (u64, u64) = (600, 3600);

/// The largest first frame, in bytes.
const MAX_START_BYTES: usize = 1 << 20;

/// Takes the command from the client's first frame and streams what it writes. The client's leaving does not end it.
pub(crate) async fn exec_stream(
    State(app): State<App>,
    Id(id): Id,
    Socket(upgrade): Socket,
) -> Response {
    upgrade
        .max_message_size(MAX_START_BYTES)
        .on_upgrade(async move |socket| {
            let (mut sink, mut stream) = socket.split();
            let end = tokio::select! {
                end = attend(&app, &id, &mut sink, &mut stream) => end,
                () = app.runner.stopped() => Some(stopping()),
            };
            if let Some(end) = end {
                part(sink, stream, end).await;
            }
        })
}

/// Returns how to close the socket; nothing when the client has left.
async fn attend(app: &App, id: &str, sink: &mut Sink, stream: &mut Stream) -> Option<CloseFrame> {
    let (command, timeout) = match first_word(stream).await? {
        Ok(start) => start,
        Err(why) => return Some(refuse(sink, 4000, why).await),
    };
    let mut running = match start(app, id, ExecProgram::Shell(command), None, timeout).await {
        Ok(running) => running,
        Err(error) => {
            let not_found = error.status() == 404;
            let close = if not_found { 4004 } else { 1000 };
            return Some(refuse(sink, close, &error.text()).await);
        }
    };
    let served = tokio::select! {
        end = serve(&mut running, sink) => end,
        () = left(stream) => None,
    };
    if served.is_none() {
        run_on(&mut running).await;
    }
    served
}

/// Lets the command of a client that has left come to its end, within its time. What it writes is read by nobody.
async fn run_on(running: &mut RunningExec) {
    while let Some(Ok(event)) = running.channels().1.recv().await {
        if let ExecEvent::Exit { .. } = event {
            return;
        }
    }
}

/// What to run, or what is wrong with it; nothing when the client left without a word.
async fn first_word(stream: &mut Stream) -> Option<Result<(String, Duration), &'static str>> {
    loop {
        return match stream.next().await? {
            Ok(Message::Text(first)) => Some(parse(&first)),
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Binary(_)) | Err(_) => Some(Err("invalid start")),
            Ok(Message::Close(_)) => None,
        };
    }
}

/// Ends when the client leaves. Reading answers its pings; all else that it sends is passed over.
async fn left(stream: &mut Stream) {
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Close(_) = message {
            return;
        }
    }
}

/// Nothing is returned when the client has left.
async fn serve(running: &mut RunningExec, sink: &mut Sink) -> Option<CloseFrame> {
    let mut stdout = Text::new(Encoding::Utf8);
    let mut stderr = Text::new(Encoding::Utf8);
    let mut pings = pings();
    loop {
        let output = running.channels().1;
        let event = next_event(output, &mut pings, sink).await.ok()?;
        let frame = match event {
            Some(Ok(ExecEvent::Stdout(bytes))) => piece("stdout", stdout.push(&bytes)),
            Some(Ok(ExecEvent::Stderr(bytes))) => piece("stderr", stderr.push(&bytes)),
            Some(Ok(ExecEvent::Exit { exit, .. })) => {
                send(sink, piece("stdout", stdout.finish())).await?;
                send(sink, piece("stderr", stderr.finish())).await?;
                send(sink, Some(last(&exit))).await?;
                return Some(close(1000, ""));
            }
            Some(Err(error)) => {
                let text = crate::failure::exec(&error).body().error.message;
                return Some(refuse(sink, 1000, &text).await);
            }
            None => return Some(refuse(sink, 1000, "the VM was lost").await),
        };
        send(sink, frame).await?;
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

/// Sends a frame, if there is one. Nothing is returned when the client has left.
async fn send(sink: &mut Sink, frame: Option<Value>) -> Option<()> {
    match frame {
        Some(frame) => {
            let sent = sink.send(Message::Text(frame.to_string().into())).await;
            sent.ok()
        }
        None => Some(()),
    }
}

/// A client that has left is not told.
async fn refuse(sink: &mut Sink, code: u16, why: &str) -> CloseFrame {
    let frame = json!({ "type": "error", "error": why });
    send(sink, Some(frame)).await;
    close(code, why)
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
