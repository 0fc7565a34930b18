//! The talk with a runtime: who asks for what, and what it is told.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::json;
use thaw_guest_protocol::Invoke;
use tokio::sync::mpsc;

use super::{
    call::{Answer, Ask, Call, NoBody, error_type},
    reply::{EventHeaders, Refusal, Reply},
};

/// The largest description of an error that is taken.
const REPORT_BYTES: u64 = 256 * 1024;

/// What a runtime waits for, between two events and while its machine is frozen.
#[derive(Debug)]
pub(super) enum Waiting {
    Event(Answer),
    Thaw(Answer),
}

/// What a runtime said about an event.
#[derive(Debug)]
pub(in crate::functions) enum Told {
    Returned {
        content_type: Option<String>,
        result: Bytes,
    },
    /// The description of an error.
    Raised(Bytes),
    /// The description of an error that came before the event was given.
    RestoreFailed(Bytes),
    TooLarge,
    /// The result has begun, and comes piece by piece.
    Begun {
        content_type: Option<String>,
        pieces: Pieces,
    },
}

/// A result that comes piece by piece.
#[derive(Debug)]
pub(in crate::functions) struct Pieces {
    call: Call,
    left: u64,
}

/// What comes of such a result.
#[derive(Debug)]
pub(in crate::functions) enum Piece {
    Data(Bytes),
    End,
    /// Its sender found out too late that it went wrong; the kind of error.
    BrokeOff(String),
    TooLarge,
}

impl Pieces {
    /// The next piece. One whose connection ended waits for the end of its process.
    pub(in crate::functions) async fn next(&mut self) -> Piece {
        loop {
            let frame = match self.call.frame().await {
                Ok(Some(frame)) => frame,
                Ok(None) => return Piece::End,
                Err(_) => std::future::pending().await,
            };
            match frame.into_data() {
                Ok(data) => {
                    return match self.left.checked_sub(data.len() as u64) {
                        Some(left) => {
                            self.left = left;
                            Piece::Data(data)
                        }
                        None => Piece::TooLarge,
                    };
                }
                Err(other) => {
                    let trailers = other.into_trailers().ok();
                    if let Some(kind) = trailers.as_ref().and_then(error_type) {
                        return Piece::BrokeOff(kind);
                    }
                }
            }
        }
    }

    /// Tells the runtime that its result was taken.
    pub(in crate::functions) fn accept(self) {
        tell(self.call.answer, Reply::Accepted);
    }

    /// Tells the runtime that its result is too large.
    pub(in crate::functions) fn refuse(self) {
        refuse(self.call, Refusal::TooLarge);
    }
}

/// Waits until the runtime is ready to be frozen.
///
/// # Errors
/// The description of its error, when it can't be initialised.
pub(super) async fn until_ready(calls: &mut mpsc::Receiver<Call>) -> Result<Waiting, Bytes> {
    loop {
        let mut call = next(calls).await;
        match call.ask {
            Ask::Next => return Ok(Waiting::Event(call.answer)),
            Ask::RestoreNext => return Ok(Waiting::Thaw(call.answer)),
            Ask::InitError => {
                let report = report(&mut call).await;
                tell(call.answer, Reply::Accepted);
                return Err(report);
            }
            Ask::RestoreError | Ask::Response { .. } | Ask::Error { .. } => {
                refuse(call, Refusal::WrongTime);
            }
        }
    }
}

/// Gives the runtime an event, after it has heard of its thaw, and waits for what comes of it.
pub(super) async fn serve(
    calls: &mut mpsc::Receiver<Call>,
    waiting: Option<Waiting>,
    function: &str,
    invoke: &Invoke,
    event: Bytes,
) -> Told {
    let mut asked = match waiting {
        Some(Waiting::Event(answer)) => Some(answer),
        Some(Waiting::Thaw(answer)) => {
            tell(answer, Reply::Restored);
            None
        }
        None => None,
    };
    loop {
        let answer = match asked.take() {
            Some(answer) => answer,
            None => match until_asked(calls).await {
                Ok(answer) => answer,
                Err(report) => return Told::RestoreFailed(report),
            },
        };
        if answer.send(the_event(function, invoke, &event)).is_ok() {
            break;
        }
        // Whoever asked has gone meanwhile; it will ask again.
    }
    until_answered(calls, invoke).await
}

async fn until_asked(calls: &mut mpsc::Receiver<Call>) -> Result<Answer, Bytes> {
    loop {
        let mut call = next(calls).await;
        match call.ask {
            Ask::Next => return Ok(call.answer),
            // It has forgotten that it was told.
            Ask::RestoreNext => tell(call.answer, Reply::Restored),
            Ask::RestoreError => {
                let report = report(&mut call).await;
                tell(call.answer, Reply::Accepted);
                return Err(report);
            }
            Ask::Response { .. } | Ask::Error { .. } => refuse(call, Refusal::WrongId),
            Ask::InitError => refuse(call, Refusal::WrongTime),
        }
    }
}

async fn until_answered(calls: &mut mpsc::Receiver<Call>, invoke: &Invoke) -> Told {
    loop {
        let mut call = next(calls).await;
        let told = match &call.ask {
            Ask::Response { id } | Ask::Error { id } if *id != invoke.request_id => {
                Err(Refusal::WrongId)
            }
            Ask::Response { .. } if invoke.pieces && call.is_streaming() => {
                return Told::Begun {
                    content_type: content_type(&call),
                    pieces: Pieces {
                        call,
                        left: invoke.result_limit_bytes,
                    },
                };
            }
            Ask::Response { .. } => response(&mut call, invoke.result_limit_bytes).await,
            Ask::Error { .. } => Ok(Told::Raised(report(&mut call).await)),
            Ask::Next | Ask::RestoreNext | Ask::InitError | Ask::RestoreError => {
                Err(Refusal::WrongTime)
            }
        };
        match told {
            Ok(Told::TooLarge) => {
                refuse(call, Refusal::TooLarge);
                return Told::TooLarge;
            }
            Ok(told) => {
                tell(call.answer, Reply::Accepted);
                return told;
            }
            Err(refusal) => refuse(call, refusal),
        }
    }
}

async fn response(call: &mut Call, limit: u64) -> Result<Told, Refusal> {
    let body = match call.body(limit).await {
        Ok(body) => body,
        Err(NoBody::TooLarge) => return Ok(Told::TooLarge),
        // Nobody hears the refusal; a runtime that lives sends it again.
        Err(NoBody::CutOff) => return Err(Refusal::Ending),
    };
    if let Some(kind) = body.broke_off_with {
        let message = "the response broke off with an error";
        return Ok(Told::Raised(description(&kind, message)));
    }
    Ok(Told::Returned {
        content_type: content_type(call),
        result: body.bytes,
    })
}

fn content_type(call: &Call) -> Option<String> {
    let value = call.headers.get(hyper::header::CONTENT_TYPE)?;
    value.to_str().ok().map(str::to_owned)
}

/// The description of an error that was reported, always JSON.
async fn report(call: &mut Call) -> Bytes {
    let kind = call.error_type().unwrap_or_else(|| "Unhandled".to_owned());
    match call.body(REPORT_BYTES).await {
        Ok(body) if serde_json::from_slice::<serde::de::IgnoredAny>(&body.bytes).is_ok() => {
            body.bytes
        }
        Ok(body) => description(&kind, &String::from_utf8_lossy(&body.bytes)),
        Err(NoBody::TooLarge) => description(&kind, "its description has more than 256 KiB"),
        Err(NoBody::CutOff) => description(&kind, "its description broke off"),
    }
}

fn description(kind: &str, message: &str) -> Bytes {
    let description = json!({"errorType": kind, "errorMessage": message, "stackTrace": []});
    description.to_string().into()
}

fn the_event(function: &str, invoke: &Invoke, event: &Bytes) -> Reply {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    // Runtimes look for exactly this, without parameters.
    let json = "application/json";
    let given = invoke.content_type.as_deref().unwrap_or(json);
    let is_json = given
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim() == json);
    let headers = EventHeaders {
        request_id: &invoke.request_id,
        deadline_ms: now_ms.saturating_add(invoke.timeout_ms),
        function,
        content_type: if is_json { json } else { given },
        client_context: invoke.client_context.as_deref(),
    };
    // AWS gives those who send nothing an empty object.
    let event = if is_json && event.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        event.clone()
    };
    Reply::Event {
        headers: headers.to_map(),
        event,
    }
}

async fn next(calls: &mut mpsc::Receiver<Call>) -> Call {
    match calls.recv().await {
        Some(call) => call,
        // The server lives as long as its runtime; whoever awaits this watches the process, too.
        None => std::future::pending().await,
    }
}

fn tell(answer: Answer, reply: Reply) {
    // Whoever has hung up is told nothing.
    drop(answer.send(reply));
}

fn refuse(call: Call, refusal: Refusal) {
    tell(call.answer, Reply::Refused(refusal));
}
