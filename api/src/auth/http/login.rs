//! `/v1/login`, `/v1/logout`, `/v1/session`.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use thaw_api_types::{ErrorBody, ErrorCode, LoginRequest, LogoutQuery, Whoami};

use crate::{
    auth::{
        Identity, LoginError, Who,
        audit::Draft,
        cookie,
        credential::{Presented, Source, presented},
        enforce::peer,
        service::SESSION_S,
    },
    body::{MAX_LOGIN_BYTES, Parameters, json},
    error::ApiError,
    state::App,
};

/// Log in as the admin
///
/// The answer sets the session's cookie: HttpOnly, SameSite=Strict, for a day; over TLS it is named
/// `__Host-thaw_session`. Ten tries a minute from one address, a hundred from all.
#[utoipa::path(
    post,
    path = "/v1/login",
    tag = "auth",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "The session", body = Whoami),
        (status = 401, description = "The password is wrong", body = ErrorBody),
        (status = 409, description = "Authentication is off", body = ErrorBody),
        (status = 429, description = "Too many tries", body = ErrorBody),
    ),
)]
pub(crate) async fn login(State(app): State<App>, request: Request) -> Response {
    let draft = Draft::of("/v1/login", &request);
    let secure = cookie::is_secure(request.headers());
    let answer = log_in(&app, request, secure).await;
    let (who, response) = match answer {
        Ok(response) => ("the admin", response),
        Err(error) => ("unknown", error.into_response()),
    };
    let status = response.status().as_u16();
    app.auth.audit(draft.end(who, status, None)).await;
    response
}

async fn log_in(app: &App, request: Request, secure: bool) -> Result<Response, ApiError> {
    let from = peer(&request).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let LoginRequest { password } = json(request, MAX_LOGIN_BYTES).await?;
    let begun = app.auth.login(password, from).await;
    let session = begun.map_err(|error| login_failed(&error))?;
    let mut response = Json(session.identity.whoami()).into_response();
    let cookie = cookie::set(&session.token, SESSION_S, secure);
    set_cookie(&mut response, cookie);
    Ok(response)
}

/// The code, status and hint of a login that did not succeed.
fn login_failed(error: &LoginError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        LoginError::TooMany { retry_after } => of(ErrorCode::TooManyRequests)
            .hint("wait; API keys go on working")
            .retry_after(*retry_after),
        LoginError::Off => {
            of(ErrorCode::AuthOff).hint("set one on the server's machine: thaw auth init")
        }
        LoginError::Wrong => of(ErrorCode::Unauthorized)
            .hint("who has the server's machine can set another: thaw auth set-password"),
        LoginError::Password(_)
        | LoginError::Sign(_)
        | LoginError::Check(_)
        | LoginError::Db(_) => of(ErrorCode::Internal),
    }
}

/// End the session
///
/// Without a session there is nothing to end, and that is no error.
#[utoipa::path(
    post,
    path = "/v1/logout",
    tag = "auth",
    params(LogoutQuery),
    responses((status = 204, description = "It is over")),
)]
pub(crate) async fn logout(
    State(app): State<App>,
    Parameters(query): Parameters<LogoutQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let internal = |error| ApiError::of(ErrorCode::Internal, &error);
    let draft = Draft::of("/v1/logout", &request);
    let secure = cookie::is_secure(request.headers());
    let shown = presented(request.uri(), request.headers());
    if let Some(id) = session_of(&app, shown).await {
        let which = (!query.everywhere).then_some(id);
        app.auth.end_sessions(which).await.map_err(internal)?;
        app.auth
            .audit(draft.end("the admin's session", 204, None))
            .await;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, cookie::set("", 0, secure));
    Ok(response)
}

async fn session_of(app: &App, shown: Option<Presented>) -> Option<String> {
    let shown = shown.filter(|Presented { source, .. }| *source == Source::Cookie)?;
    let identity = app.auth.identify(Some(shown)).await.ok()?;
    match identity.who {
        Who::Session { id } => Some(id),
        Who::Anyone | Who::Key { .. } | Who::Inside => None,
    }
}

/// Ask who one is to the server
#[utoipa::path(
    get,
    path = "/v1/session",
    tag = "auth",
    responses(
        (status = 200, description = "Who sent this request, and what they may do", body = Whoami),
        (status = 401, description = "The server does not know", body = ErrorBody),
    ),
)]
pub(crate) async fn session(Extension(identity): Extension<Identity>) -> Json<Whoami> {
    Json(identity.whoami())
}

fn set_cookie(response: &mut Response, cookie: Option<HeaderValue>) {
    let headers: &mut HeaderMap = response.headers_mut();
    if let Some(cookie) = cookie {
        headers.append(header::SET_COOKIE, cookie);
    }
}
