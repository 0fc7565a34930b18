//! What a runtime asks for.

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request,
    body::{Frame, Incoming},
};
use tokio::sync::oneshot;

use super::reply::{Refusal, Reply};

/// The API's version, which is in its paths.
const VERSION: &str = "/2018-06-01/runtime/";

/// Names what kind of error is reported; a header, or a trailer of a result that broke off.
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";

/// How a result is sent: `streaming`, or gathered.
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";

/// A request of a runtime that waits for its answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) ask: Ask,
    pub(super) headers: HeaderMap,
    body: Incoming,
    pub(super) answer: Answer,
}

/// Where the answer goes. Fails when nobody waits for it any more.
pub(super) type Answer = oneshot::Sender<Reply>;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// The next event.
    Next,
    /// To be told of the thaw.
    RestoreNext,
    /// The initialisation failed.
    InitError,
    /// What is done after a thaw failed.
    RestoreError,
    /// The result of an event.
    Response { id: String },
    /// The error of an event.
    Error { id: String },
}

/// Why a body is not there.
#[derive(Debug)]
pub(super) enum NoBody {
    TooLarge,
    /// The connection ended before.
    CutOff,
}

/// A body that has arrived.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// Its sender found out too late that it went wrong.
    pub(super) broke_off_with: Option<String>,
}

impl Ask {
    /// What a method and a path ask for.
    ///
    /// # Errors
    /// What is answered to others.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, Refusal> {
        let rest = path.strip_prefix(VERSION).ok_or(Refusal::NoSuchPath)?;
        let words: Vec<_> = rest.split('/').collect();
        let (wanted, ask) = match words.as_slice() {
            ["invocation", "next"] => (Method::GET, Self::Next),
            ["restore", "next"] => (Method::GET, Self::RestoreNext),
            ["init", "error"] => (Method::POST, Self::InitError),
            ["restore", "error"] => (Method::POST, Self::RestoreError),
            ["invocation", id, "response"] => (Method::POST, Self::Response { id: (*id).into() }),
            ["invocation", id, "error"] => (Method::POST, Self::Error { id: (*id).into() }),
            _ => return Err(Refusal::NoSuchPath),
        };
        if *method == wanted {
            Ok(ask)
        } else {
            Err(Refusal::WrongMethod)
        }
    }
}

impl Call {
    /// A request, and where its answer will be.
    ///
    /// # Errors
    /// What is answered to a request that asks for nothing.
    pub(super) fn new(
        request: Request<Incoming>,
    ) -> Result<(Self, oneshot::Receiver<Reply>), Refusal> {
        let (head, body) = request.into_parts();
        let ask = Ask::of(&head.method, head.uri.path())?;
        let (answer, answered) = oneshot::channel();
        let call = Self {
            ask,
            headers: head.headers,
            body,
            answer,
        };
        Ok((call, answered))
    }

    /// Waits for the whole body.
    ///
    /// # Errors
    /// See [`NoBody`]; of a body that is too large no more than the limit was read.
    pub(super) async fn body(&mut self, limit: u64) -> Result<Body, NoBody> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let body = Limited::new(&mut self.body, limit).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                NoBody::TooLarge
            } else {
                NoBody::CutOff
            }
        })?;
        let broke_off_with = body.trailers().and_then(error_type);
        Ok(Body {
            bytes: body.to_bytes(),
            broke_off_with,
        })
    }

    /// Whether the body is meant to be handed on as it comes.
    pub(super) fn is_streaming(&self) -> bool {
        let mode = self.headers.get(RESPONSE_MODE);
        mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"))
    }

    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// [`NoBody::CutOff`].
    pub(super) async fn frame(&mut self) -> Result<Option<Frame<Bytes>>, NoBody> {
        let frame = self.body.frame().await.transpose();
        frame.map_err(|_| NoBody::CutOff)
    }

    /// The kind of error that is reported.
    pub(super) fn error_type(&self) -> Option<String> {
        error_type(&self.headers)
    }
}

pub(super) fn error_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(ERROR_TYPE)?.to_str().ok()?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_are_those_of_the_runtime_api() {
        let ask = |method, path: &str| Ask::of(&method, &format!("/2018-06-01/runtime/{path}"));
        assert_eq!(ask(Method::GET, "invocation/next"), Ok(Ask::Next));
        assert_eq!(ask(Method::GET, "restore/next"), Ok(Ask::RestoreNext));
        let id = "a-1".to_owned();
        let response = ask(Method::POST, "invocation/a-1/response");
        assert_eq!(response, Ok(Ask::Response { id }));
        let wrong = ask(Method::POST, "invocation/next");
        assert_eq!(wrong, Err(Refusal::WrongMethod));
        let unknown = ask(Method::GET, "invocation/a-1/more/error");
        assert_eq!(unknown, Err(Refusal::NoSuchPath));
        let other = Ask::of(&Method::GET, "/2020-01-01/extension/register");
        assert_eq!(other, Err(Refusal::NoSuchPath));
    }
}
