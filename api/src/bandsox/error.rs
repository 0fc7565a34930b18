//! Errors in BandSox's shape: `{"detail": "…"}`, or a list of what is wrong with a request (422).

use axum::{
    Json,
    extract::multipart::MultipartError,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{error::ApiError, form::FormError};

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detail {
    status: StatusCode,
    detail: Value,
    retry_after_s: Option<u64>,
}

impl Detail {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            detail: Value::String(text.into()),
            retry_after_s: None,
        }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    /// Everything that is wrong with a request.
    pub(super) fn invalid(problems: Vec<Problem>) -> Self {
        let detail = problems.into_iter().map(|problem| {
            json!({
                "type": problem.kind,
                "loc": [problem.place, problem.field],
                "msg": problem.message,
                "input": problem.input,
            })
        });
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            detail: Value::Array(detail.collect()),
            retry_after_s: None,
        }
    }

    /// The same with other words.
    pub(crate) fn saying(self, text: &str) -> Self {
        Self {
            detail: Value::String(text.to_owned()),
            ..self
        }
    }

    /// The same with another status.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The words of it, for frames of a WebSocket.
    pub(super) fn text(&self) -> String {
        match &self.detail {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl From<MultipartError> for Detail {
    /// A form that broke off is its sender's fault, not the server's.
    fn from(error: MultipartError) -> Self {
        let status = match error.status() {
            StatusCode::INTERNAL_SERVER_ERROR => StatusCode::BAD_REQUEST,
            other => other,
        };
        Self::new(status, error.body_text())
    }
}

impl From<FormError> for Detail {
    fn from(error: FormError) -> Self {
        match error {
            FormError::HeadTooLong => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            FormError::Broken(error) => error.into(),
        }
    }
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    /// `body`, `query` or `path`.
    pub(super) place: &'static str,
    pub(super) field: String,
    /// One of pydantic's words, which clients know: `missing`, `string_type`, `int_parsing`, ….
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) input: Value,
}

/// What the rest of the service says, in this shape: the same status, the message and the hint.
impl From<ApiError> for Detail {
    fn from(error: ApiError) -> Self {
        let status = StatusCode::from_u16(error.code().status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = error.body().error;
        let text = match body.hint {
            Some(hint) => format!("{} ({hint})", body.message),
            None => body.message,
        };
        Self {
            retry_after_s: error.retry_after_s(),
            ..Self::new(status, text)
        }
    }
}

impl IntoResponse for Detail {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "detail": self.detail }))).into_response();
        if let Some(seconds) = self.retry_after_s {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
