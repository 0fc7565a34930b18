//! Why a request goes no further, and how that is said to whom.

use axum::{
    extract::{
        FromRequest as _, Request, WebSocketUpgrade,
        ws::{CloseFrame, Message},
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use thaw_api_types::ErrorCode;

use super::{credential::is_websocket, db::ApiDbError};
use crate::{
    bandsox::{self, Detail},
    error::ApiError,
    functions,
};

/// BandSox's code for closing a WebSocket of someone unknown.
const CLOSE_UNAUTHORIZED: u16 = 4001;

/// Why a request goes no further.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nothing says who sends it.
    Unknown,
    /// What says who sends it is not worth anything.
    Wrong,
    /// The key has expired.
    Expired { name: String },
    /// The session is over.
    SessionOver,
    /// A page of another site may have sent it in the name of whoever is logged in.
    CrossSite,
    /// Authentication was turned off while others can reach this server.
    Exposed,
    /// Nobody can say.
    Db(ApiDbError),
}

impl From<ApiDbError> for Refusal {
    fn from(error: ApiDbError) -> Self {
        Self::Db(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        const HINT: &str = "give an API key: set THAW_API_KEY, or send Authorization: Bearer KEY; an admin makes one \
                            with `thaw key create`, and on the server's machine `thaw auth set-password --save-key` does";
        let unauthorized = |message: String| Self::new(ErrorCode::Unauthorized, message);
        match refusal {
            Refusal::Unknown => unauthorized("this server needs an API key".to_owned()).hint(HINT),
            Refusal::Wrong => {
                unauthorized("this server does not know that API key".to_owned()).hint(HINT)
            }
            Refusal::Expired { name } => {
                unauthorized(format!("the API key {name:?} has expired")).hint(HINT)
            }
            Refusal::SessionOver => {
                unauthorized("the session is over".to_owned()).hint("log in again")
            }
            Refusal::CrossSite => Self::new(
                ErrorCode::OriginNotAllowed,
                "a request with a session's cookie must show that it comes from this server's own page",
            )
            .hint("send the header Origin, or use an API key"),
            Refusal::Exposed => Self::new(
                ErrorCode::Forbidden,
                "authentication is off, and this server can be reached from other machines",
            )
            .hint("turn it on with `thaw auth init` on the server's machine"),
            Refusal::Db(error) => Self::of(ErrorCode::Internal, &error),
        }
    }
}

/// The answer, in the shape of the surface that was asked.
pub(super) async fn answer(error: ApiError, request: Request) -> Response {
    if functions::is_aws_path(request.uri().path()) {
        return functions::aws_refusal(&error);
    }
    if !bandsox::is_ours(request.uri().path()) {
        let is_unauthorized = error.code() == ErrorCode::Unauthorized;
        let mut response = error.into_response();
        if is_unauthorized {
            let challenge = HeaderValue::from_static("Bearer realm=\"thaw\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        return response;
    }
    if is_websocket(request.headers()) {
        return closed(request).await;
    }
    let is_unauthorized = error.code() == ErrorCode::Unauthorized;
    let detail = Detail::from(error);
    match is_unauthorized {
        true => detail.saying("Unauthorized").into_response(),
        false => detail.into_response(),
    }
}

/// BandSox's clients look for a close code, so the WebSocket is opened first.
async fn closed(request: Request) -> Response {
    let upgrade = match WebSocketUpgrade::from_request(request, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            return Detail::new(StatusCode::BAD_REQUEST, rejection.body_text()).into_response();
        }
    };
    let upgrade = upgrade.protocols(["bandsox.terminal"]);
    upgrade.on_upgrade(async |mut socket| {
        let frame = CloseFrame {
            code: CLOSE_UNAUTHORIZED,
            reason: "Unauthorized".into(),
        };
        if let Err(error) = socket.send(Message::Close(Some(frame))).await {
            tracing::debug!(%error, "the client of a WebSocket had gone");
        }
    })
}
