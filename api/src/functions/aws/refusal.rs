//! Errors in AWS's shape.

use axum::{
    Json,
    http::{HeaderName, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use thaw_api_types::ErrorCode;

use super::{REQUEST_ID, put};
use crate::{error::ApiError, functions::request_id};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// How the paths of AWS's API begin: with its versions.
const AWS_PATHS: [&str; 2] = ["/2015-03-31/", "/2021-11-15/"];

/// Whether a path is one of AWS's, where errors have AWS's shape whoever refuses, and a signature's key is one of ours.
pub(crate) fn is_aws_path(path: &str) -> bool {
    AWS_PATHS.iter().any(|start| path.starts_with(start))
}

/// A refusal from before the route, in AWS's shape.
pub(crate) fn aws_refusal(error: &ApiError) -> Response {
    // Without an id, where the kernel gives no random numbers.
    refuse(&request_id::new().unwrap_or_default(), error)
}

/// An error in AWS's shape; `hint` has no place there and joins the message.
pub(super) fn refuse(id: &str, error: &ApiError) -> Response {
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
