//! AWS Lambda's Invoke, so that its clients work with another endpoint.
//!
//! Headers, statuses and the shape of errors are those of the API reference of AWS Lambda (`Invoke`, version
//! 2015-03-31). The access key's id is an API key; the signature is not checked, and the region does not matter.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thaw_api_types::ErrorCode;
use thaw_runner::{
    functions::{Answer, Invocation, Way},
    node::vmm::protocol::Outcome,
};

use super::{
    invoke::{START_WITHIN, turn_of},
    request_id,
};
use crate::{
    auth::Identity,
    body::{Parameters, read},
    error::ApiError,
    failure,
    state::App,
};

/// How much of a log `LogType=Tail` tells (AWS: the last 4 KB).
const TAIL_BYTES: usize = 4096;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
const INVOCATION_TYPE: &str = "x-amz-invocation-type";
const LOG_TYPE: &str = "x-amz-log-type";
const CLIENT_CONTEXT: &str = "x-amz-client-context";

/// What the query says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AwsQuery {
    #[serde(default, rename = "Qualifier")]
    qualifier: Option<String>,
}

/// What is wanted of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    RequestResponse,
    Event,
    DryRun,
}

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
    let key = turn_of(identity.as_deref());
    let invoked = invoke(&app, key, &name, query.qualifier, &id, request).await;
    let mut response = invoked.unwrap_or_else(|error| refuse(&id, &error));
    put(response.headers_mut(), REQUEST_ID, &id);
    response
}

async fn invoke(
    app: &App,
    key: String,
    name: &str,
    qualifier: Option<String>,
    id: &str,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let wanted = wanted(headers)?;
    let tail = header(headers, LOG_TYPE)? == Some("Tail");
    let client_context = client_context(headers)?;
    let (name, in_name) = function_of(name);
    let qualifier = qualifier.or(in_name);
    let limit = app.functions.limits().event_bytes;
    let event = read(request, limit).await?;
    if !event.is_empty() {
        serde_json::from_slice::<serde::de::IgnoredAny>(&event).map_err(|error| {
            let message = format!("Could not parse request body into json: {error}");
            ApiError::new(ErrorCode::BadJson, message)
        })?;
    }
    if wanted == Wanted::DryRun {
        let found = app.functions.resolve(&name, qualifier.as_deref());
        found.map_err(|error| failure::function(&error))?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let call = Invocation {
        function: name,
        qualifier,
        key,
        request_id: id.to_owned(),
        content_type: Some("application/json".to_owned()),
        client_context,
        event,
        way: Way::Whole,
        start_within: START_WITHIN,
    };
    if wanted == Wanted::Event {
        let queued = app.functions.enqueue(call).await;
        queued.map_err(|error| failure::invoke(&error))?;
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let answer = app.functions.invoke(call).await;
    Ok(respond(
        answer.map_err(|error| failure::invoke(&error))?,
        tail,
    ))
}

fn wanted(headers: &HeaderMap) -> Result<Wanted, ApiError> {
    match header(headers, INVOCATION_TYPE)? {
        None | Some("RequestResponse") => Ok(Wanted::RequestResponse),
        Some("Event") => Ok(Wanted::Event),
        Some("DryRun") => Ok(Wanted::DryRun),
        Some(other) => Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!(
                "invocation type {other:?} is not supported; there are RequestResponse, Event and DryRun"
            ),
        )),
    }
}

/// What the client says of itself: base64 of a JSON object.
fn client_context(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(packed) = header(headers, CLIENT_CONTEXT)? else {
        return Ok(None);
    };
    let text = STANDARD.decode(packed).ok().map(String::from_utf8);
    match text {
        Some(Ok(text)) if serde_json::from_str::<Map<String, Value>>(&text).is_ok() => {
            Ok(Some(text))
        }
        _ => Err(ApiError::new(
            ErrorCode::InvalidRequest,
            "Client context must be a valid Base64-encoded JSON object.",
        )),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let value = headers.get(name).map(HeaderValue::to_str).transpose();
    value.map_err(|_| ApiError::new(ErrorCode::InvalidRequest, format!("{name} is not text")))
}

/// The name and the qualifier in `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` or
/// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, the latter two with a qualifier or without.
fn function_of(text: &str) -> (String, Option<String>) {
    let rest = text.split_once(":function:").map_or(text, |(_, rest)| rest);
    let rest = rest.strip_prefix("function:").unwrap_or(rest);
    match rest.split_once(':') {
        Some((name, qualifier)) => (name.to_owned(), Some(qualifier.to_owned())),
        None => (rest.to_owned(), None),
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
        let start = answer.log.len().saturating_sub(TAIL_BYTES);
        put(headers, LOG_RESULT, &STANDARD.encode(&answer.log[start..]));
    }
    response
}

/// Whether a path is one of AWS's, where errors have AWS's shape whoever refuses.
pub(crate) fn is_aws_path(path: &str) -> bool {
    path.starts_with("/2015-03-31/")
}

/// A refusal from before the route, in AWS's shape.
pub(crate) fn aws_refusal(error: &ApiError) -> Response {
    // Without an id, where the kernel gives no random numbers.
    refuse(&request_id::new().unwrap_or_default(), error)
}

/// An error in AWS's shape; `hint` has no place there and joins the message.
fn refuse(id: &str, error: &ApiError) -> Response {
    let detail = error.body().error;
    let mut response = error.clone().into_response();
    let (kind, status) = kind_of(detail.code, response.status());
    let message = match detail.hint {
        Some(hint) => format!("{} ({hint})", detail.message),
        None => detail.message,
    };
    let fault = if status.is_server_error() {
        "Service"
    } else {
        "User"
    };
    let body = Json(json!({"Type": fault, "Message": message, "message": message}));
    let retry_after = response
        .headers_mut()
        .remove(axum::http::header::RETRY_AFTER);
    let mut response = (status, body).into_response();
    put(response.headers_mut(), ERROR_TYPE, kind);
    put(response.headers_mut(), REQUEST_ID, id);
    if let Some(value) = retry_after {
        response
            .headers_mut()
            .insert(axum::http::header::RETRY_AFTER, value);
    }
    response
}

/// What AWS calls it, and the status that it comes with there.
fn kind_of(code: ErrorCode, status: StatusCode) -> (&'static str, StatusCode) {
    match code {
        ErrorCode::FunctionNotFound | ErrorCode::FunctionVersionNotFound => {
            ("ResourceNotFoundException", StatusCode::NOT_FOUND)
        }
        ErrorCode::BodyTooLarge => ("RequestTooLargeException", StatusCode::PAYLOAD_TOO_LARGE),
        ErrorCode::BadJson => ("InvalidRequestContentException", StatusCode::BAD_REQUEST),
        ErrorCode::FunctionBusy
        | ErrorCode::PoolFull
        | ErrorCode::TooManyRequests
        | ErrorCode::NodeFull => ("TooManyRequestsException", StatusCode::TOO_MANY_REQUESTS),
        // A key that is unknown, expired or not sent, and one without the scope: as AWS tells them.
        ErrorCode::Unauthorized => ("UnrecognizedClientException", StatusCode::FORBIDDEN),
        _ if status == StatusCode::FORBIDDEN => ("AccessDeniedException", status),
        _ if status.is_server_error() => ("ServiceException", status),
        _ => ("InvalidParameterValueException", StatusCode::BAD_REQUEST),
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_by_its_name_or_any_form_of_its_arn() {
        let plain = ("f".to_owned(), None);
        for text in [
            "f",
            "function:f",
            "123456789012:function:f",
            "arn:aws:lambda:eu-west-1:123456789012:function:f",
        ] {
            assert_eq!(function_of(text), plain, "{text}");
            let qualified = format!("{text}:live");
            let expected = ("f".to_owned(), Some("live".to_owned()));
            assert_eq!(function_of(&qualified), expected, "{qualified}");
        }
    }
}
