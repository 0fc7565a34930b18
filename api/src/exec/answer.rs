//! The answer to an exec that was started, in the form that the caller wants.

use std::time::{Duration, Instant};

use axum::{
    Json,
    response::{IntoResponse as _, Response, Sse, sse::KeepAlive},
};
use thaw_api_types::Encoding;

use super::{account::Account, collect::collect, events::events, run::Run};
use crate::{error::ApiError, failure};

/// How long the head of an answer with events waits for the program's first sign. What is refused within it
/// (a program that does not exist) is an answer with the right status; later it is an event.
const FIRST_SIGN: Duration = Duration::from_secs(1);

pub(super) async fn json(
    run: Run,
    account: Account,
    encoding: Encoding,
    arrived: Instant,
) -> Response {
    match collect(run, encoding, arrived).await {
        Ok(answer) => {
            account.ended(&answer.exit);
            Json(answer).into_response()
        }
        Err(error) => refuse(account, error),
    }
}

pub(super) async fn stream(
    mut run: Run,
    account: Account,
    encoding: Encoding,
    arrived: Instant,
) -> Response {
    let first = match tokio::time::timeout(FIRST_SIGN, run.next()).await {
        Err(_) => None,
        Ok(Some(Ok(event))) => Some(event),
        Ok(Some(Err(error))) => return refuse(account, failure::exec(&error)),
        Ok(None) => return refuse(account, failure::lost()),
    };
    Sse::new(events(run, account, first, encoding, arrived))
        .keep_alive(KeepAlive::default())
        .into_response()
}

pub(super) fn refuse(account: Account, error: ApiError) -> Response {
    account.failed(&error);
    error.into_response()
}
