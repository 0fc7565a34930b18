//! What surrounds every request: its id, its span, its line in the metrics, and headers that browsers heed.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tracing::Instrument as _;

use crate::state::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// When a request's head was read; what an answer's `total` counts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived(pub(crate) Instant);

/// A request's id.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

/// Surrounds a request.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    request.extensions_mut().insert(Arrived(arrived));
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = method_label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or(""),
        method,
        route,
        who = tracing::field::Empty
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    app.metrics.http_request(&route, method, status.as_u16());
    span.in_scope(|| {
        tracing::debug!(
            status = status.as_u16(),
            took_us = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    let keep = response.extensions().get().map(|Keep(policy)| *policy);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, keep.unwrap_or("no-store")),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    response
}

/// How long an answer may be kept, as `Cache-Control` has it; an answer without it not at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep(pub(crate) &'static str);

/// The caller's own id, if it is one that is safe to log, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if let Some(id) = headers.get(REQUEST_ID)
        && (1..=64).contains(&id.len())
        && id.as_bytes().iter().all(allowed)
    {
        return id.clone();
    }
    let mut bytes = [0; 8];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::debug!(%error, "no random bytes for a request id");
    }
    HeaderValue::try_from(hex::encode(bytes)).unwrap_or(HeaderValue::from_static("none"))
}

/// A method as a label; callers can't make up new ones.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
