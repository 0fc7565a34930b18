//! `Invoke`: one event, one answer.

use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderName, StatusCode},
    response::{IntoResponse as _, Response},
};
use thaw_runner::{
    functions::{Answer, Way},
    node::vmm::protocol::Outcome,
};

use super::{
    EXECUTED_VERSION, REQUEST_ID, put,
    refusal::refuse,
    request::{AwsQuery, Target, Wanted, try_out, understand},
    tail_of,
};
use crate::{
    auth::Identity,
    body::Parameters,
    error::ApiError,
    failure,
    functions::{invoke::turn_of, request_id},
    state::App,
};

const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

/// Give an event to a function, as AWS Lambda's Invoke does
///
/// For clients of AWS with this server as `endpoint_url`. The function's name may be an ARN. `X-Amz-Invocation-Type`
/// is `RequestResponse`, `Event` or `DryRun`. `X-Amz-Log-Type: Tail` tells the end of the log.
/// The access key's id is the API key; the signature is not checked. Errors have AWS's shape.
#[utoipa::path(
    post,
    path = "/2015-03-31/functions/{name}/invocations",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name or ARN"),
        ("Qualifier" = Option<String>, Query, description = "A version's number or an alias"),
    ),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses(
        (status = 200, description = "What the function returned, or how it went wrong", body = Vec<u8>),
        (status = 202, description = "The event is queued"),
        (status = 204, description = "The event of a dry run would be taken"),
        (status = "4XX", description = "The request can't be done"),
        (status = "5XX", description = "It could not be done"),
    ),
)]
pub(crate) async fn aws_invoke(
    State(app): State<App>,
    identity: Option<Extension<Identity>>,
    Path(name): Path<String>,
    Parameters(query): Parameters<AwsQuery>,
    request: Request,
) -> Response {
    let id = match request_id::new() {
        Ok(id) => id,
        Err(error) => return refuse("", &error),
    };
    let target = Target {
        key: turn_of(identity.as_deref()),
        name: &name,
        qualifier: query.qualifier,
        id: &id,
        way: Way::Whole,
    };
    let invoked = invoke(&app, target, request).await;
    let mut response = invoked.unwrap_or_else(|error| refuse(&id, &error));
    put(response.headers_mut(), REQUEST_ID, &id);
    response
}

async fn invoke(app: &App, target: Target<'_>, request: Request) -> Result<Response, ApiError> {
    let asked = understand(app, target, request).await?;
    match asked.wanted {
        Wanted::DryRun => {
            try_out(app, &asked.call)?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Wanted::Event => {
            let queued = app.functions.enqueue(asked.call).await;
            queued.map_err(|error| failure::invoke(&error))?;
            Ok(StatusCode::ACCEPTED.into_response())
        }
        Wanted::RequestResponse => {
            let answer = app.functions.invoke(asked.call).await;
            let answer = answer.map_err(|error| failure::invoke(&error))?;
            Ok(respond(answer, asked.tail))
        }
    }
}

fn respond(answer: Answer, tail: bool) -> Response {
    let mut response = (StatusCode::OK, Body::from(answer.result)).into_response();
    let headers = response.headers_mut();
    let kind = answer.content_type.as_deref();
    put(
        headers,
        axum::http::header::CONTENT_TYPE,
        kind.unwrap_or("application/json"),
    );
    put(headers, EXECUTED_VERSION, &answer.version.to_string());
    match answer.outcome {
        Outcome::Returned => {}
        Outcome::Raised
        | Outcome::RestoreFailed
        | Outcome::TimedOut
        | Outcome::Ended(_)
        | Outcome::ResultTooLarge => {
            put(headers, FUNCTION_ERROR, "Unhandled");
        }
    }
    if tail {
        put(headers, LOG_RESULT, &tail_of(&answer.log));
    }
    response
}
