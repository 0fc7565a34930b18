//! Logs, as they are or as they come.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response, Sse, sse::KeepAlive},
};
use futures::stream;
use thaw_api_types::{ErrorBody, FunctionLogList, FunctionLogQuery};
use thaw_runner::functions::LogQuery;

use super::convert;
use crate::{
    body::{Parameters, wants_events},
    error::ApiError,
    failure,
    state::App,
    work::event,
};

/// How many logs are told when a request does not say.
const DEFAULT_LIMIT: u32 = 100;

/// Read a function's logs
///
/// They are kept in memory, 4 MiB for each function, and are gone with the daemon. With
/// `Accept: text/event-stream` those that are there and then those that come are told as events `log`
/// (data: `FunctionLog`), until the caller hangs up or the function is removed.
#[utoipa::path(
    get,
    path = "/v1/functions/{name}/logs",
    tag = "functions",
    params(("name" = String, Path, description = "The function's name"), FunctionLogQuery),
    responses(
        (status = 200, description = "The logs, oldest first", content(
            (FunctionLogList = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 404, description = "There is no such function", body = ErrorBody),
    ),
)]
pub(crate) async fn logs(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Parameters(query): Parameters<FunctionLogQuery>,
) -> Result<Response, ApiError> {
    let query = LogQuery {
        after: query.after,
        request_id: query.request_id,
        errors: query.errors,
        limit: query.limit.unwrap_or(DEFAULT_LIMIT) as usize,
    };
    // First, so that no log falls in between.
    let newest = app.functions.watch_logs(&name);
    let mut newest = newest.map_err(|error| failure::function(&error))?;
    newest.mark_unchanged();
    let found = app.functions.logs(&name, &query);
    let found = found.map_err(|error| failure::function(&error))?;
    if !wants_events(&headers) {
        let logs = found.into_iter().map(convert::log).collect();
        return Ok(Json(FunctionLogList { logs }).into_response());
    }
    let seen = found.last().map(|log| log.sequence).or(query.after);
    let follow = (app, name, query, newest, found.into_iter(), seen);
    let events = stream::unfold(follow, |mut follow| async move {
        loop {
            let (app, name, query, newest, waiting, seen) = &mut follow;
            if let Some(log) = waiting.next() {
                *seen = Some(log.sequence);
                let event = event("log", &convert::log(log));
                return Some((Ok::<_, Infallible>(event), follow));
            }
            newest.changed().await.ok()?;
            let query = LogQuery {
                after: *seen,
                limit: usize::MAX,
                ..query.clone()
            };
            *waiting = app.functions.logs(name, &query).ok()?.into_iter();
        }
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response())
}
