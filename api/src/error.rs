//! An answer that is an error, in the one shape of errors.

use std::{error::Error, fmt::Write as _, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use thaw_api_types::{ErrorBody, ErrorCode, ErrorDetail};

/// An answer that is an error. Its status comes with its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    code: ErrorCode,
    message: String,
    hint: Option<String>,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// Takes the words of an error and of its causes.
    pub(crate) fn of(code: ErrorCode, error: &dyn Error) -> Self {
        Self::new(code, chain(error))
    }

    /// A request that makes no sense, with everything that is wrong with it.
    pub(crate) fn invalid(problems: &[String]) -> Self {
        Self::new(ErrorCode::InvalidRequest, problems.join("; "))
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    /// When it is worth another try: whole seconds, and never "at once".
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        let ms = self.retry_after?.as_millis();
        Some(u64::try_from(ms.div_ceil(1000).max(1)).unwrap_or(u64::MAX))
    }

    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.code,
                message: self.message.clone(),
                hint: self.hint.clone(),
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(
                code = self.code.as_str(),
                message = self.message,
                "the request failed"
            );
        } else {
            tracing::debug!(code = self.code.as_str(), "the request was refused");
        }
        let mut response = (status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after_s() {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

/// An error and its causes in one line. A cause that the text before it tells already is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            // Writing into a String does not fail.
            let _ = write!(text, ": {words}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_never_asked_for_at_once() {
        let error =
            ApiError::new(ErrorCode::PoolFull, "full").retry_after(Duration::from_millis(3));
        let response = error.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
