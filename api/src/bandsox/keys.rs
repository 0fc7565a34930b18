//! `/api/auth`: sessions and keys.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use thaw_api_types::{ErrorCode, KeyInfo, Scope};

use super::{
    error::Detail,
    extract::{Id, Posted, login_fields},
};
use crate::{
    auth::{Draft, KeyError, LoginError, NewKey, Who, peer, presented},
    error::ApiError,
    state::App,
};

/// How long a browser keeps the cookie, in seconds; the session itself ends then too.
const SESSION_S: u64 = 86_400;

/// Logs in as the admin: a token in the answer, and as a cookie.
pub(crate) async fn login(State(app): State<App>, request: Request) -> Response {
    let draft = Draft::of("/api/auth/login", &request);
    let (who, response) = match log_in(&app, request).await {
        Ok(response) => ("the admin", response),
        Err(error) => ("unknown", error.into_response()),
    };
    let status = response.status().as_u16();
    app.auth.audit(draft.end(who, status, None)).await;
    response
}

async fn log_in(app: &App, request: Request) -> Result<Response, Detail> {
    let from = peer(&request).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let mut fields = login_fields(request).await?;
    let password = fields.required_text("password");
    fields.finish()?;
    let session = match app.auth.login(password, from).await {
        Ok(session) => session,
        Err(error) => return Err(refused(&error)),
    };
    let answer = Json(json!({ "status": "ok", "token": session.token }));
    Ok(with_cookie(
        answer.into_response(),
        &session.token,
        SESSION_S,
    ))
}

fn refused(error: &LoginError) -> Detail {
    let with = |status, text: &str| Detail::new(status, text);
    match error {
        LoginError::Wrong => with(StatusCode::UNAUTHORIZED, "Invalid password"),
        LoginError::Off => with(
            StatusCode::NOT_FOUND,
            "Auth not enabled. Run 'thaw auth init' on the server's machine first.",
        ),
        LoginError::TooMany { retry_after } => {
            let text = "Too many login attempts. Try again later.";
            let limited = ApiError::new(ErrorCode::TooManyRequests, text);
            limited.retry_after(*retry_after).into()
        }
        LoginError::Password(_)
        | LoginError::Sign(_)
        | LoginError::Check(_)
        | LoginError::Db(_) => ApiError::of(ErrorCode::Internal, error).into(),
    }
}

/// Ends the session of the cookie.
pub(crate) async fn logout(State(app): State<App>, request: Request) -> Result<Response, Detail> {
    let draft = Draft::of("/api/auth/logout", &request);
    let shown = presented(request.uri(), request.headers());
    if let Some(shown) = shown
        && let Ok(identity) = app.auth.identify(Some(shown)).await
        && let Who::Session { id } = identity.who
    {
        let ended = app.auth.end_sessions(Some(id)).await;
        ended.map_err(|error| ApiError::of(ErrorCode::Internal, &error))?;
        app.auth
            .audit(draft.end("the admin's session", 200, None))
            .await;
    }
    let answer = Json(json!({ "status": "ok" }));
    Ok(with_cookie(answer.into_response(), "", 0))
}

fn with_cookie(mut response: Response, token: &str, max_age_s: u64) -> Response {
    let cookie =
        format!("bandsox_session={token}; HttpOnly; Max-Age={max_age_s}; Path=/; SameSite=lax");
    if let Ok(mut value) = HeaderValue::try_from(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Tells whether what the request shows is worth anything.
pub(crate) async fn check(State(app): State<App>, request: Request) -> Json<Value> {
    let shown = presented(request.uri(), request.headers());
    let known = app.auth.identify(shown).await.is_ok();
    Json(json!({ "authenticated": known }))
}

/// Every key.
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Detail> {
    let keys = app.auth.keys().await;
    let keys = keys.map_err(|error| ApiError::of(ErrorCode::Internal, &error))?;
    Ok(Json(keys.iter().map(key).collect()))
}

fn key(info: &KeyInfo) -> Value {
    json!({
        "id": info.id,
        "name": info.name,
        "created_at": info.created_at,
        "last_used_at": info.last_used_at,
    })
}

/// Makes a key. BandSox's keys may do everything.
pub(crate) async fn create(
    State(app): State<App>,
    Posted(mut fields): Posted,
) -> Result<Json<Value>, Detail> {
    let name = fields.required_name("name");
    fields.finish()?;
    let new = NewKey {
        name,
        scopes: vec![Scope::Admin],
        expires_at: None,
    };
    match app.auth.create_key(new).await {
        Ok((key, info)) => Ok(Json(json!({
            "key_id": info.id,
            "key": key.expose(),
            "name": info.name,
        }))),
        Err(error) => {
            let code = match &error {
                KeyError::NameTaken(_) => ErrorCode::KeyNameTaken,
                KeyError::TooMany => ErrorCode::TooManyKeys,
                KeyError::Db(_) => ErrorCode::Internal,
            };
            Err(ApiError::of(code, &error).into())
        }
    }
}

/// Revokes the key that has exactly this id.
pub(crate) async fn revoke(State(app): State<App>, Id(id): Id) -> Result<Json<Value>, Detail> {
    let keys = app.auth.keys().await;
    let keys = keys.map_err(|error| ApiError::of(ErrorCode::Internal, &error))?;
    if !keys.iter().any(|key| key.id == id) {
        return Err(Detail::not_found("Key"));
    }
    match app.auth.revoke_key(id).await {
        Ok(Some(_)) => Ok(Json(json!({ "status": "revoked" }))),
        Ok(None) => Err(Detail::not_found("Key")),
        Err(error) => Err(ApiError::of(ErrorCode::Internal, &error).into()),
    }
}
