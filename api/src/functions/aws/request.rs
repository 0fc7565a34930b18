//! What a client of AWS asks for.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};
use thaw_api_types::ErrorCode;
use thaw_runner::functions::{Invocation, Way};

use super::super::invoke::START_WITHIN;
use crate::{body::read, error::ApiError, failure, state::App};

const INVOCATION_TYPE: &str = "x-amz-invocation-type";
const LOG_TYPE: &str = "x-amz-log-type";
const CLIENT_CONTEXT: &str = "x-amz-client-context";

/// What the query says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AwsQuery {
    #[serde(default, rename = "Qualifier")]
    pub(super) qualifier: Option<String>,
}

/// What is wanted of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    RequestResponse,
    Event,
    DryRun,
}

/// A request that was understood.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    /// The end of the log is to be told.
    pub(super) tail: bool,
    pub(super) call: Invocation,
}

/// Who asks, and what for, beside the request itself.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// On whose behalf, for fair turns.
    pub(super) key: String,
    /// The function's name or ARN.
    pub(super) name: &'a str,
    pub(super) qualifier: Option<String>,
    /// The invocation's id.
    pub(super) id: &'a str,
    pub(super) way: Way,
}

/// Reads a request and its event.
///
/// # Errors
/// When it is not one that AWS's API allows, or its event is too large or no JSON.
pub(super) async fn understand(
    app: &App,
    target: Target<'_>,
    request: Request,
) -> Result<Asked, ApiError> {
    let headers = request.headers();
    let wanted = wanted(headers)?;
    let tail = header(headers, LOG_TYPE)? == Some("Tail");
    let client_context = client_context(headers)?;
    let (function, in_name) = function_of(target.name);
    let limit = app.functions.limits().event_bytes;
    let event = read(request, limit).await?;
    if !event.is_empty() {
        serde_json::from_slice::<serde::de::IgnoredAny>(&event).map_err(|error| {
            let message = format!("Could not parse request body into json: {error}");
            ApiError::new(ErrorCode::BadJson, message)
        })?;
    }
    let call = Invocation {
        function,
        qualifier: target.qualifier.or(in_name),
        key: target.key,
        request_id: target.id.to_owned(),
        content_type: Some("application/json".to_owned()),
        client_context,
        event,
        way: target.way,
        start_within: START_WITHIN,
    };
    Ok(Asked { wanted, tail, call })
}

/// Whether an event of a dry run would be taken.
///
/// # Errors
/// When there is no such function or version.
pub(super) fn try_out(app: &App, call: &Invocation) -> Result<(), ApiError> {
    let found = app
        .functions
        .resolve(&call.function, call.qualifier.as_deref());
    found.map_err(|error| failure::function(&error))?;
    Ok(())
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
