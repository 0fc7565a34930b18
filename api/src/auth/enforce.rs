//! The guard before every route.
//!
//! ```text
//! row of the table? ──no──► 405, or 403 where the path has no row at all
//!   │ open ──► route
//!   ▼
//! who? (credential ─► identity) ──unknown──► 401
//!   │ a cookie must come from our own page ──► 403
//!   ▼
//! scope? ──lacks it──► 403        every refusal, and what changes or runs something, is audited
//!   │
//!   ▼
//! route, with the identity in the request's extensions and without `?token=`
//! ```

use std::sync::Arc;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use thaw_api_types::{ErrorCode, Scope};

use super::{
    audit::{AuditTarget, Draft},
    credential::{Presented, Source, is_websocket, presented, without_token},
    identity::{Identity, Who},
    refusal::{self, Refusal},
    table::{Access, Rows},
};
use crate::{bandsox, error::ApiError, listen::Peer, state::App};

/// What the guard of one path knows.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(super) app: App,
    pub(super) path: &'static str,
    pub(super) rows: Rows,
}

/// Lets a request through to its route if the table and its sender's scopes allow it.
pub(crate) async fn enforce(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let wanted = match guard.rows.access(request.method()) {
        None => return unlisted(&guard.rows, &request),
        Some(Access::Open) => return next.run(request).await,
        Some(Access::Known) => None,
        Some(Access::Needs(scope)) => Some(scope),
    };
    let auth = &guard.app.auth;
    let draft = Draft::of(guard.path, &request);
    let shown = presented(request.uri(), request.headers());
    let from_own_page = is_from_own_page(&request);
    let identity = match admit(&guard.app, shown, from_own_page, wanted).await {
        Ok(identity) => identity,
        Err((who, error)) => {
            auth.audit(draft.end(&who, error.code().status(), None))
                .await;
            return refusal::answer(error, request).await;
        }
    };
    let who = identity.label();
    tracing::Span::current().record("who", &who);
    if let Some(uri) = without_token(request.uri())
        && is_websocket(request.headers())
    {
        *request.uri_mut() = uri;
    }
    // What a method means to a program behind a port only that program knows.
    let may_change = !request.method().is_safe()
        || is_websocket(request.headers())
        || guard.path.contains("/ports/{port}/");
    let is_audited = wanted != Some(Scope::Read) && may_change;
    request.extensions_mut().insert(identity);
    let response = next.run(request).await;
    if is_audited {
        let target = response.extensions().get::<AuditTarget>();
        let record = draft.end(&who, response.status().as_u16(), target);
        auth.audit(record).await;
    }
    response
}

/// Who sent a request, if they may have what it asks for; else who that was, as far as is known, and why not.
async fn admit(
    app: &App,
    shown: Option<Presented>,
    from_own_page: bool,
    wanted: Option<Scope>,
) -> Result<Identity, (String, ApiError)> {
    let by_cookie = shown
        .as_ref()
        .is_some_and(|Presented { source, .. }| *source == Source::Cookie);
    let unknown = |refusal: Refusal| ("unknown".to_owned(), ApiError::from(refusal));
    let identity = app.auth.identify(shown).await.map_err(unknown)?;
    let refused = |error: ApiError| (identity.label(), error);
    if identity.who == Who::Anyone && app.exposed {
        return Err(refused(Refusal::Exposed.into()));
    }
    if identity.who != Who::Anyone && by_cookie && !from_own_page {
        return Err(refused(Refusal::CrossSite.into()));
    }
    if let Some(wanted) = wanted {
        identity.require(wanted).map_err(refused)?;
    }
    Ok(identity)
}

/// Whether a request that changes something shows that our own page sent it.
///
/// [`gate`](crate::gate) has turned away those that show the opposite. Every browser of the last years shows one or
/// the other on such requests. BandSox's clients send the cookie from programs, which show neither.
fn is_from_own_page(request: &Request) -> bool {
    let headers = request.headers();
    let changes = !request.method().is_safe() || is_websocket(headers);
    let is_program_s = bandsox::is_ours(request.uri().path());
    let shows_it = headers.contains_key(header::ORIGIN)
        || headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "same-origin");
    !changes || shows_it || is_program_s
}

/// A method without a row. Where the path has others, they are told.
fn unlisted(rows: &Rows, request: &Request) -> Response {
    if rows.methods().is_empty() {
        let path = request.uri().path();
        tracing::error!("the route has no row in the table of who may do what");
        return ApiError::new(
            ErrorCode::Forbidden,
            format!("nobody may use {path}: no scope is set for it"),
        )
        .into_response();
    }
    wrong_method(rows, request)
}

/// A method that is none of the path's; those that are come in the header Allow.
pub(crate) fn wrong_method(rows: &Rows, request: &Request) -> Response {
    let (path, method) = (request.uri().path(), request.method());
    let mut response = match bandsox::is_ours(path) {
        true => bandsox::wrong_method().into_response(),
        false => ApiError::new(
            ErrorCode::MethodNotAllowed,
            format!("{path} does not know {method}"),
        )
        .hint("the Allow header lists the methods; /docs describes them")
        .into_response(),
    };
    if let Ok(value) = HeaderValue::try_from(rows.methods()) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Where a request came from.
pub(crate) fn peer(request: &Request) -> Option<Peer> {
    let info = request.extensions().get::<ConnectInfo<Peer>>();
    info.map(|ConnectInfo(peer)| *peer)
}
