//! Events that are served later, and what became of them.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use thaw_api_types::{
    ErrorBody, FunctionEvent, FunctionEventList, FunctionEventQuery, FunctionEventState,
};
use thaw_runner::functions::{EventInfo, EventState, FunctionError, QueuedEvent};

use crate::{body::Parameters, convert, error::ApiError, failure, state::App};

/// List a function's events of a state
///
/// `dead` are those that were given up: they went wrong three times, or found no place for an hour. Of those that
/// are done or dead the newest 1,000 are kept, as far as the events of each state hold no more than 256 MiB. What an event
/// holds, and what the function returned, is told of one event only.
#[utoipa::path(
    get,
    path = "/v1/functions/{name}/events",
    tag = "functions",
    params(("name" = String, Path, description = "The function's name"), FunctionEventQuery),
    responses(
        (status = 200, description = "The events, newest first", body = FunctionEventList),
        (status = 422, description = "`limit` is out of range", body = ErrorBody),
        (status = 404, description = "There is no such function", body = ErrorBody),
    ),
)]
pub(crate) async fn events(
    State(app): State<App>,
    Path(name): Path<String>,
    Parameters(query): Parameters<FunctionEventQuery>,
) -> Result<Json<FunctionEventList>, ApiError> {
    let state = match query.state.unwrap_or(FunctionEventState::Dead) {
        FunctionEventState::Queued => EventState::Queued,
        FunctionEventState::Done => EventState::Done,
        FunctionEventState::Dead => EventState::Dead,
    };
    let mut problems = Vec::new();
    let limit = convert::limit(query.limit, &mut problems);
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let events = app.functions.events(&name, state, limit).await;
    let events = events.map_err(|error| failure::function(&error))?;
    Ok(Json(FunctionEventList {
        events: events.into_iter().map(listed).collect(),
    }))
}

/// Find an event
#[utoipa::path(
    get,
    path = "/v1/functions/{name}/events/{id}",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name"),
        ("id" = String, Path, description = "The event's id"),
    ),
    responses(
        (status = 200, description = "The event", body = FunctionEvent),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn event(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<FunctionEvent>, ApiError> {
    told(app.functions.event(&name, &id).await)
}

/// Queue a dead event again
#[utoipa::path(
    post,
    path = "/v1/functions/{name}/events/{id}/retry",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name"),
        ("id" = String, Path, description = "The event's id"),
    ),
    responses(
        (status = 200, description = "The event", body = FunctionEvent),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn retry_event(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<FunctionEvent>, ApiError> {
    told(app.functions.retry_event(&name, &id).await)
}

/// Forget an event
#[utoipa::path(
    delete,
    path = "/v1/functions/{name}/events/{id}",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name"),
        ("id" = String, Path, description = "The event's id"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn remove_event(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let removed = app.functions.remove_event(&name, &id).await;
    removed.map_err(|error| failure::function(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the caller is told of one event.
fn told(event: Result<QueuedEvent, FunctionError>) -> Result<Json<FunctionEvent>, ApiError> {
    event
        .map(|event| Json(whole(event)))
        .map_err(|error| failure::function(&error))
}

fn whole(event: QueuedEvent) -> FunctionEvent {
    FunctionEvent {
        event_base64: Some(STANDARD.encode(event.event)),
        result_base64: event.result.map(|result| STANDARD.encode(result)),
        ..listed(event.info)
    }
}

fn listed(event: EventInfo) -> FunctionEvent {
    FunctionEvent {
        id: event.id,
        qualifier: event.qualifier,
        state: match event.state {
            EventState::Queued => FunctionEventState::Queued,
            EventState::Done => FunctionEventState::Done,
            EventState::Dead => FunctionEventState::Dead,
        },
        attempts: event.attempts,
        due_at_ms: event.due_at_ms,
        created_at_ms: event.created_at_ms,
        ended_at_ms: event.ended_at_ms,
        error: event.error,
        event_bytes: event.event_bytes,
        event_base64: None,
        content_type: event.content_type,
        result_base64: None,
        result_type: event.result_type,
    }
}
