//! `InvokeWithResponseStream`: one event, an answer in pieces.

use std::convert::Infallible;

use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use bytes::{Bytes, BytesMut};
use futures::stream::unfold;
use serde_json::{Map, Value, json};
use thaw_api_types::ErrorCode;
use thaw_runner::{
    functions::{InvokeError, RunningInvocation, Way},
    node::vmm::protocol::Outcome,
};

use super::{
    EXECUTED_VERSION, REQUEST_ID, event_stream, put,
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

/// No more of an error's description is told; clients take messages of 16 MiB.
const MAX_DETAILS_BYTES: usize = 1 << 20;

/// Give an event to a function and get its answer in pieces, as AWS Lambda's InvokeWithResponseStream does
///
/// For clients of AWS with this server as `endpoint_url`. The answer is an event stream of AWS's: `PayloadChunk` for each
/// piece and `InvokeComplete` at its end, which tells an error of the function's. What comes in pieces is what `mode=stream`
/// of `/v1/functions/{name}/invoke` says. `X-Amz-Invocation-Type` is `RequestResponse` or `DryRun`.
#[utoipa::path(
    post,
    path = "/2021-11-15/functions/{name}/response-streaming-invocations",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name or ARN"),
        ("Qualifier" = Option<String>, Query, description = "A version's number or an alias"),
    ),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses(
        (
            status = 200,
            description = "What the function returns, or how it goes wrong",
            body = Vec<u8>,
            content_type = "application/vnd.amazon.eventstream",
        ),
        (status = 204, description = "The event of a dry run would be taken"),
        (status = "4XX", description = "The request can't be done"),
        (status = "5XX", description = "It could not be done"),
    ),
)]
pub(crate) async fn aws_invoke_with_response_stream(
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
        way: Way::Pieces,
    };
    let invoked = invoke(&app, target, request).await;
    let mut response = invoked.unwrap_or_else(|error| refuse(&id, &error));
    put(response.headers_mut(), REQUEST_ID, &id);
    response
}

async fn invoke(app: &App, target: Target<'_>, request: Request) -> Result<Response, ApiError> {
    let asked = understand(app, target, request).await?;
    match asked.wanted {
        Wanted::RequestResponse => {}
        Wanted::DryRun => {
            try_out(app, &asked.call)?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Wanted::Event => {
            let message = "an event that is queued has no answer to stream";
            return Err(ApiError::new(ErrorCode::InvalidRequest, message));
        }
    }
    let failed = |error: InvokeError| failure::invoke(&error);
    let mut running = app.functions.start(asked.call).await.map_err(failed)?;
    // A clone that is lost before its first piece is an error that clients try again after.
    let first = running.next().await.map_err(failed)?;
    let version = running.version().to_string();
    let telling = Telling {
        running,
        first: Some(first),
        details: BytesMut::new(),
        tail: asked.tail,
    };
    let mut response = Response::new(Body::from_stream(unfold(Some(telling), tell)));
    let headers = response.headers_mut();
    put(headers, CONTENT_TYPE, "application/vnd.amazon.eventstream");
    put(headers, EXECUTED_VERSION, &version);
    Ok(response)
}

/// An answer on its way. Dropped, the function is ended in the middle of its event.
struct Telling {
    running: RunningInvocation,
    /// What was read before the answer began: a piece, or the end.
    first: Option<Option<Bytes>>,
    /// The description of an error, as far as it has come.
    details: BytesMut,
    tail: bool,
}

async fn tell(telling: Option<Telling>) -> Option<(Result<Bytes, Infallible>, Option<Telling>)> {
    let mut telling = telling?;
    loop {
        let next = match telling.first.take() {
            Some(first) => Ok(first),
            None => telling.running.next().await,
        };
        match next {
            Ok(Some(piece)) if telling.running.is_error() => telling.describe(&piece),
            Ok(Some(piece)) => {
                let chunk = event_stream::event("PayloadChunk", "application/octet-stream", &piece);
                return Some((Ok(chunk), Some(telling)));
            }
            Ok(None) => return Some((Ok(telling.complete()), None)),
            Err(error) => {
                let text = failure::invoke(&error).body().error.message;
                return Some((Ok(event_stream::error("ServiceException", &text)), None));
            }
        }
    }
}

impl Telling {
    fn describe(&mut self, piece: &[u8]) {
        let room = MAX_DETAILS_BYTES.saturating_sub(self.details.len());
        self.details
            .extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// The last event.
    fn complete(&self) -> Bytes {
        let mut said = Map::new();
        if self.running.outcome() != Some(Outcome::Returned) {
            said.insert("ErrorCode".to_owned(), json!("Unhandled"));
            said.insert("ErrorDetails".to_owned(), json!(self.details()));
        }
        if self.tail {
            said.insert("LogResult".to_owned(), json!(tail_of(self.running.log())));
        }
        let said = Value::Object(said).to_string();
        event_stream::event("InvokeComplete", "application/json", said.as_bytes())
    }

    fn details(&self) -> String {
        if !self.details.is_empty() {
            return String::from_utf8_lossy(&self.details).into_owned();
        }
        match self.running.failure() {
            Some(description) => String::from_utf8_lossy(&description).into_owned(),
            None => {
                "the handler raised an error after its first piece; the log says which".to_owned()
            }
        }
    }
}
