//! What a runtime is answered.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::json;

/// An answer.
#[derive(Debug)]
pub(super) enum Reply {
    /// An event, with what is known of it.
    Event {
        headers: HeaderMap,
        event: Bytes,
    },
    /// The machine was thawed.
    Restored,
    /// What was sent was taken.
    Accepted,
    Refused(Refusal),
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoSuchPath,
    WrongMethod,
    /// The event is not the one that is served.
    WrongId,
    /// It makes no sense now.
    WrongTime,
    TooLarge,
    /// The function is being ended.
    Ending,
}

impl Reply {
    /// As it goes over the wire.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let (status, headers, body) = match self {
            Self::Event { headers, event } => (StatusCode::OK, headers, event),
            Self::Restored => (StatusCode::OK, HeaderMap::new(), Bytes::new()),
            Self::Accepted => {
                let body = json!({"status": "OK"}).to_string();
                (StatusCode::ACCEPTED, json_headers(), body.into())
            }
            Self::Refused(refusal) => {
                let (status, kind, message) = refusal.words();
                let body = json!({"errorType": kind, "errorMessage": message}).to_string();
                (status, json_headers(), body.into())
            }
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

impl Refusal {
    fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoSuchPath => (
                StatusCode::NOT_FOUND,
                "NotFound",
                "the runtime API has no such path",
            ),
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "the runtime API does not take this method here",
            ),
            Self::WrongId => (
                StatusCode::BAD_REQUEST,
                "InvalidRequestID",
                "Invalid request ID",
            ),
            Self::WrongTime => (
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "the request makes no sense in the state that the runtime is in",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                "Exceeded maximum allowed payload size",
            ),
            Self::Ending => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerError",
                "the function is being ended",
            ),
        }
    }
}

/// The headers of an event.
#[derive(Debug)]
pub(super) struct EventHeaders<'a> {
    pub(super) request_id: &'a str,
    /// When its time is up, in milliseconds since 1970-01-01 UTC.
    pub(super) deadline_ms: u64,
    pub(super) function: &'a str,
    pub(super) content_type: &'a str,
    pub(super) client_context: Option<&'a str>,
}

impl EventHeaders<'_> {
    /// As they go over the wire. What is no header's value is left out.
    pub(super) fn to_map(&self) -> HeaderMap {
        let arn = format!(
            "arn:aws:lambda:local:000000000000:function:{}",
            self.function
        );
        let deadline = self.deadline_ms.to_string();
        let mut headers = HeaderMap::new();
        let mut put = |name, value: Option<&str>| {
            if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
                headers.insert(name, value);
            }
        };
        put(CONTENT_TYPE, Some(self.content_type));
        let named = HeaderName::from_static;
        put(
            named("lambda-runtime-aws-request-id"),
            Some(self.request_id),
        );
        put(named("lambda-runtime-deadline-ms"), Some(&deadline));
        put(named("lambda-runtime-invoked-function-arn"), Some(&arn));
        put(named("lambda-runtime-client-context"), self.client_context);
        headers
    }
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}
