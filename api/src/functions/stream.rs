//! Answers that come in pieces, as a function makes them.
//!
//! ```text
//! first piece ─┬─ of a result ─► 200, its pieces ─┬─ returned ───► the body ends
//!              │                                  └─ went wrong ─► the body is cut off
//!              └─ of an error, or there is none ─► as an answer that is one whole
//! ```

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::stream;
use thaw_api_types::invoke_headers as names;
use thaw_runner::{
    functions::{Invocation, InvokeError, RunningInvocation},
    node::vmm::protocol::Outcome,
};

use super::invoke::{error_word, start};
use crate::{convert, error::ApiError, failure, state::App};

/// Why a body is cut off.
#[derive(Debug, thiserror::Error)]
#[error("the function went wrong after its first piece")]
struct BrokeOff;

/// Gives an event to a function and answers as soon as its first piece is there.
pub(super) async fn answer(app: &App, call: Invocation) -> Result<Response, ApiError> {
    let failed = |error: InvokeError| failure::invoke(&error);
    let mut running = app.functions.start(call).await.map_err(failed)?;
    let first = running.next().await.map_err(failed)?;
    let (body, error) = match first {
        Some(piece) if running.is_error() => {
            let described = gather(&mut running, piece).await.map_err(failed)?;
            (Body::from(described), running.outcome())
        }
        Some(piece) => {
            let headers = headers(&running, None);
            return Ok(respond(headers, pieces(piece, running)));
        }
        None => {
            let described = running.failure().unwrap_or_default();
            (Body::from(described), running.outcome())
        }
    };
    Ok(respond(headers(&running, error), body))
}

async fn gather(running: &mut RunningInvocation, first: Bytes) -> Result<Bytes, InvokeError> {
    let mut all = BytesMut::from(&first[..]);
    while let Some(piece) = running.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// The first piece and all that follow. Dropped, the function is ended in the middle of its event.
fn pieces(first: Bytes, running: RunningInvocation) -> Body {
    Body::from_stream(stream::unfold(
        (Some(first), Some(running)),
        |(first, running)| async move {
            let mut running = running?;
            if let Some(first) = first {
                return Some((Ok(first), (None, Some(running))));
            }
            match running.next().await {
                Ok(Some(piece)) => Some((Ok(piece), (None, Some(running)))),
                Ok(None) if running.outcome() == Some(Outcome::Returned) => None,
                Ok(None) | Err(_) => Some((Err(BrokeOff), (None, None))),
            }
        },
    ))
}

fn respond(headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

fn headers(running: &RunningInvocation, outcome: Option<Outcome>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let error = outcome.and_then(error_word);
    let is_described = error.is_some() && running.content_type().is_none();
    let kind = match running.content_type() {
        _ if is_described => "application/json",
        Some(kind) => kind,
        None => "application/octet-stream",
    };
    let mut put = |name: HeaderName, value: &str| {
        // What a function names is no header's value by itself.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    let named = HeaderName::from_static;
    put(header::CONTENT_TYPE, kind);
    put(named(names::VERSION), &running.version().to_string());
    put(named(names::VM_ID), running.vm_id());
    let kind = convert::start_kind(running.start_kind());
    put(named(names::START), start(kind));
    if let Some(error) = error {
        put(named(names::FUNCTION_ERROR), error);
    }
    headers
}
