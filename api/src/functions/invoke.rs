//! Giving an event to a function.

use std::time::{Duration, Instant};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use thaw_api_types::{
    ErrorBody, ErrorCode, InvokeMode, InvokeQuery, QueuedFunctionEvent, StartKind,
    invoke_headers as names,
};
use thaw_runner::{
    functions::{Answer, Invocation, Way},
    node::vmm::protocol::Outcome,
};

use super::{request_id::request_id, stream};
use crate::{
    auth::{Identity, Who},
    body::{Parameters, media_type, read, too_large},
    convert,
    error::ApiError,
    failure,
    observe::Arrived,
    state::App,
};

/// How long an event waits for a place and a clone; enough for a bake.
pub(super) const START_WITHIN: Duration = Duration::from_secs(60);

/// On whose behalf an event comes: those of one key, or one session, take turns together.
pub(super) fn turn_of(identity: Option<&Identity>) -> String {
    match identity.map(|identity| &identity.who) {
        Some(Who::Key { id, .. } | Who::Session { id }) => id.clone(),
        Some(Who::Anyone | Who::Inside) | None => String::new(),
    }
}

/// Give an event to a function
///
/// The body is the event, as it is; its content type is told to the function. Python and node get JSON parsed,
/// text as a string and anything else as bytes. The answer's body is what the function returned.
///
/// What the function does wrong is no error of this route: the status is 200, the header
/// `x-thaw-function-error` says `raised`, `restore_failed`, `timed_out`, `ended` or `result_too_large`, and the body
/// describes it (`errorType`, `errorMessage`, `stackTrace`). A caller that hangs up ends the function in the middle of its
/// event.
///
/// With `mode=stream` the answer comes in pieces as the function makes them: what a `command` writes, what a generator of
/// python or node yields, and a `lambda` runtime's streaming response. One that goes wrong after its first piece is cut off: the connection
/// ends without the body's end, and the log says why.
#[utoipa::path(
    post,
    path = "/v1/functions/{name}/invoke",
    tag = "functions",
    params(("name" = String, Path, description = "The function's name"), InvokeQuery),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses(
        (status = 200, description = "What the function returned, or how it went wrong", content(
            (Vec<u8> = "application/json"),
            (Vec<u8> = "application/octet-stream"),
        )),
        (status = 202, description = "The event is queued", body = QueuedFunctionEvent),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn invoke(
    State(app): State<App>,
    Extension(Arrived(arrived)): Extension<Arrived>,
    identity: Option<Extension<Identity>>,
    Path(name): Path<String>,
    Parameters(query): Parameters<InvokeQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let header = HeaderName::from_static(names::REQUEST_ID);
    let id = request_id(request.headers(), &header)?;
    let value = HeaderValue::try_from(&id);
    let turn = turn_of(identity.as_deref());
    let mut response = give(&app, arrived, (name, turn, id), query, request)
        .await
        .into_response();
    // Whatever came of it, its caller knows what it is called in the logs.
    if let Ok(value) = value {
        response.headers_mut().insert(header, value);
    }
    Ok(response)
}

async fn give(
    app: &App,
    arrived: Instant,
    (function, key, request_id): (String, String, String),
    query: InvokeQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let content_type = content_type(headers);
    let is_json = media_type(headers).as_deref() == Some("application/json");
    let limit = app.functions.limits().event_bytes;
    let event = read(request, limit).await.map_err(|error| {
        if error.code() == ErrorCode::BodyTooLarge {
            too_large(limit as u64)
                .hint("an event has at most 6 MiB; put more into a store and send its name")
        } else {
            error
        }
    })?;
    if is_json {
        serde_json::from_slice::<serde::de::IgnoredAny>(&event).map_err(|error| {
            ApiError::new(
                ErrorCode::BadJson,
                format!("the event is not JSON: {error}"),
            )
        })?;
    }
    let call = Invocation {
        function,
        qualifier: query.qualifier,
        key,
        request_id,
        content_type,
        client_context: None,
        event,
        way: if query.mode == InvokeMode::Stream {
            Way::Pieces
        } else {
            Way::Whole
        },
        start_within: START_WITHIN,
    };
    if query.mode == InvokeMode::Async {
        let id = call.request_id.clone();
        let queued = app.functions.enqueue(call).await;
        queued.map_err(|error| failure::invoke(&error))?;
        return Ok((StatusCode::ACCEPTED, Json(QueuedFunctionEvent { id })).into_response());
    }
    if query.mode == InvokeMode::Stream {
        return stream::answer(app, call).await;
    }
    match app.functions.invoke(call).await {
        Ok(answer) => Ok(respond(answer, arrived)),
        Err(error) => Err(failure::invoke(&error)),
    }
}

/// The event's media type with its parameters.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?;
    value.to_str().ok().map(str::to_owned)
}

fn respond(answer: Answer, arrived: Instant) -> Response {
    let mut response = (StatusCode::OK, Body::from(answer.result.clone())).into_response();
    let headers = response.headers_mut();
    let kind = answer
        .content_type
        .as_deref()
        .and_then(|kind| HeaderValue::try_from(kind).ok());
    headers.insert(
        header::CONTENT_TYPE,
        kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    let mut put = |name: &'static str, value: String| {
        // Ids, numbers and words of our own: always fit.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put(names::TIMINGS, timings(&answer, arrived));
    put(names::VERSION, answer.version.to_string());
    put(names::VM_ID, answer.vm_id);
    put(
        names::START,
        start(convert::start_kind(answer.start)).to_owned(),
    );
    if let Some(error) = error_word(answer.outcome) {
        put(names::FUNCTION_ERROR, error.to_owned());
    }
    response
}

pub(super) fn start(kind: StartKind) -> &'static str {
    match kind {
        StartKind::Parked => "parked",
        StartKind::Restored => "restored",
        StartKind::Cold => "cold",
        StartKind::Reused => "reused",
    }
}

pub(super) fn error_word(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Returned => None,
        Outcome::Raised => Some("raised"),
        Outcome::RestoreFailed => Some("restore_failed"),
        Outcome::TimedOut => Some("timed_out"),
        Outcome::Ended(_) => Some("ended"),
        Outcome::ResultTooLarge => Some("result_too_large"),
    }
}

/// The daemon's own part is what no other stage accounts for.
fn timings(answer: &Answer, arrived: Instant) -> String {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let stages = [
        ("queue", us(answer.queue)),
        ("restore", us(answer.restore)),
        ("resume", us(answer.timings.resume)),
        ("connect", us(answer.timings.connect)),
        ("exec", us(answer.timings.exec)),
    ];
    let others: u64 = stages.iter().map(|(_, us)| us).sum();
    let total = us(arrived.elapsed()).max(others);
    let mut text = format!("daemon={}", total - others);
    for (name, us) in stages {
        text.push_str(&format!(", {name}={us}"));
    }
    text.push_str(&format!(", total={total}"));
    text
}
