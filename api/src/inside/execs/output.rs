//! What a program in the background writes: what is kept now, or as events to its end.
//!
//! ```text
//! (missed | stdout | stderr)* ──► exec | error
//! ```

use std::{collections::VecDeque, convert::Infallible};

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::stream;
use thaw_api_types::{BackgroundOutput, Encoding, ErrorBody, MissedOutput, OutputQuery};
use thaw_runner::{
    Runner, RunningInside,
    node::{
        ExecError, InsideRequest, StreamEvent,
        vmm::protocol::{BackgroundOperation, OutputPiece, OutputStream, Reply},
    },
};

use super::{convert, route::NamedExec};
use crate::{
    body::{Parameters, wants_events},
    error::ApiError,
    exec::{Text, text},
    failure,
    inside::data::{begun, nonsense},
    state::App,
    work::event,
};

/// Read what a program in the background of a VM writes
///
/// As JSON, what is kept of it now. With `Accept: text/event-stream` that and what it writes next, as events `stdout`
/// and `stderr` (data: `OutputChunk`), `missed` (`MissedOutput`) for what is no longer kept, and last `exec`
/// (`BackgroundExec`) when it has ended.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/execs/{exec}/output",
    operation_id = "exec_output",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("exec" = u64, Path, description = "The program's number"),
        OutputQuery,
    ),
    responses(
        (status = 200, description = "What it writes", content(
            (BackgroundOutput = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn output(
    State(app): State<App>,
    named: NamedExec,
    headers: HeaderMap,
    Parameters(query): Parameters<OutputQuery>,
) -> Result<Response, ApiError> {
    let follow = wants_events(&headers);
    let operation = BackgroundOperation::Output {
        id: named.exec,
        stdout_from: query.stdout_from,
        stderr_from: query.stderr_from,
        follow,
    };
    let request = InsideRequest::Background(operation);
    let mut running = match app.runner.vm_inside(&named.vm, request).await {
        Ok(running) => running,
        Err(error) => return Err(failure::vm(&app, None, &error).await),
    };
    begun(&mut running).await?;
    if !follow {
        return Ok(Json(collect(running, query).await?).into_response());
    }
    let sender = Sender::new(app.runner.clone(), running, query);
    let events = stream::unfold(sender, |mut sender| async move {
        let event = sender.next().await?;
        Some((Ok::<_, Infallible>(event), sender))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response())
}

/// One stream as far as it has come.
#[derive(Debug)]
struct Place {
    /// Where the next piece is expected.
    next: u64,
}

impl Place {
    /// Takes a piece; how many bytes before it are missing.
    fn take(&mut self, piece: &OutputPiece<'_>) -> u64 {
        let missed = piece.from.saturating_sub(self.next);
        self.next = piece.from.saturating_add(piece.bytes.len() as u64);
        missed
    }
}

async fn collect(
    mut running: RunningInside,
    query: OutputQuery,
) -> Result<BackgroundOutput, ApiError> {
    let mut stdout = Kept::new(query.stdout_from);
    let mut stderr = Kept::new(query.stderr_from);
    loop {
        match running.next().await {
            Ok(StreamEvent::Data(payload)) => {
                let piece = OutputPiece::decode(&payload).ok_or_else(nonsense)?;
                let kept = match piece.stream {
                    OutputStream::Stdout => &mut stdout,
                    OutputStream::Stderr => &mut stderr,
                };
                kept.take(&piece).ok_or_else(nonsense)?;
            }
            Ok(StreamEvent::Done(reply)) => {
                return Ok(BackgroundOutput {
                    exec: convert::one(reply)?,
                    stdout: text(&stdout.bytes, query.encoding),
                    stdout_from: stdout.from,
                    stdout_next: stdout.place.next,
                    stderr: text(&stderr.bytes, query.encoding),
                    stderr_from: stderr.from,
                    stderr_next: stderr.place.next,
                    encoding: query.encoding,
                });
            }
            Ok(_) => return Err(nonsense()),
            Err(error) => return Err(failure::exec(&error)),
        }
    }
}

/// More than a guest keeps of a stream is not believed. It may grow a little while it is sent.
const MOST_KEPT_BYTES: usize = 8 << 20;

/// What was kept of one stream.
struct Kept {
    from: u64,
    place: Place,
    bytes: Vec<u8>,
}

impl Kept {
    fn new(from: u64) -> Self {
        Self {
            from,
            place: Place { next: from },
            bytes: Vec::new(),
        }
    }

    /// Takes a piece. What came before a gap is let go: what is told begins behind it and has none.
    fn take(&mut self, piece: &OutputPiece<'_>) -> Option<()> {
        if self.place.take(piece) > 0 || self.bytes.is_empty() {
            self.bytes.clear();
            self.from = piece.from;
        }
        self.bytes.extend_from_slice(piece.bytes);
        (self.bytes.len() <= MOST_KEPT_BYTES).then_some(())
    }
}

/// A program whose output is sent. Dropped early, the caller has hung up, and the program runs on.
struct Sender {
    runner: Runner,
    /// None once the last event is made.
    running: Option<RunningInside>,
    stdout: (Place, Text),
    stderr: (Place, Text),
    /// Made and not yet sent: at most two for each piece, and the end.
    ready: VecDeque<Event>,
}

impl Sender {
    fn new(runner: Runner, running: RunningInside, query: OutputQuery) -> Self {
        let begin = |from, encoding: Encoding| (Place { next: from }, Text::new(encoding));
        Self {
            runner,
            running: Some(running),
            stdout: begin(query.stdout_from, query.encoding),
            stderr: begin(query.stderr_from, query.encoding),
            ready: VecDeque::new(),
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let running = self.running.as_mut()?;
            let came = tokio::select! {
                came = running.next() => came,
                // Who wants to know more asks the next server.
                () = self.runner.refusing() => return None,
            };
            self.take(came);
        }
    }

    fn take(&mut self, came: Result<StreamEvent, ExecError>) {
        match came {
            Ok(StreamEvent::Data(payload)) => match OutputPiece::decode(&payload) {
                Some(piece) => self.piece(&piece),
                None => self.end(event("error", &nonsense().body())),
            },
            Ok(StreamEvent::Done(Reply::Exec(exec))) => {
                self.end(event("exec", &convert::exec(exec)));
            }
            Ok(_) => self.end(event("error", &nonsense().body())),
            Err(error) => self.end(event("error", &failure::exec(&error).body())),
        }
    }

    fn piece(&mut self, piece: &OutputPiece<'_>) {
        let (name, (place, text)) = match piece.stream {
            OutputStream::Stdout => ("stdout", &mut self.stdout),
            OutputStream::Stderr => ("stderr", &mut self.stderr),
        };
        let missed = place.take(piece);
        if missed > 0 {
            // A character that was cut by the gap ends before it.
            let rest = text.finish();
            self.ready.extend(rest.map(|chunk| event(name, &chunk)));
            let (stdout_bytes, stderr_bytes) = match piece.stream {
                OutputStream::Stdout => (missed, 0),
                OutputStream::Stderr => (0, missed),
            };
            let missed = MissedOutput {
                stdout_bytes,
                stderr_bytes,
            };
            self.ready.push_back(event("missed", &missed));
        }
        let chunk = text.push(piece.bytes);
        self.ready.extend(chunk.map(|chunk| event(name, &chunk)));
    }

    fn end(&mut self, last: Event) {
        for (name, (_, text)) in [("stdout", &mut self.stdout), ("stderr", &mut self.stderr)] {
            let rest = text.finish();
            self.ready.extend(rest.map(|chunk| event(name, &chunk)));
        }
        self.running = None;
        self.ready.push_back(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(from: u64, bytes: &[u8]) -> OutputPiece<'_> {
        OutputPiece {
            stream: OutputStream::Stdout,
            from,
            bytes,
        }
    }

    #[test]
    fn what_is_told_at_once_has_no_gap() {
        let mut kept = Kept::new(0);
        kept.take(&piece(0, b"ab")).unwrap();
        kept.take(&piece(2, b"cd")).unwrap();
        assert_eq!((kept.from, kept.bytes.as_slice()), (0, &b"abcd"[..]));
        kept.take(&piece(10, b"k")).unwrap();
        assert_eq!((kept.from, kept.bytes.as_slice()), (10, &b"k"[..]));
        assert_eq!(kept.place.next, 11);
    }
}
