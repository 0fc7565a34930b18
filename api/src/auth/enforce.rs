//! The guard before every route: what the table does not list is refused.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use thaw_api_types::ErrorCode;

use super::table::Rows;
use crate::error::ApiError;

/// Lets a request through to its route if the table allows it.
pub(crate) async fn enforce(
    State(rows): State<Arc<Rows>>,
    request: Request,
    next: Next,
) -> Response {
    match rows.access(request.method()) {
        Some(_) => next.run(request).await,
        None => unlisted(&rows, &request),
    }
}

/// A method without a row. Where the path has others, this is what the router would say, too.
fn unlisted(rows: &Rows, request: &Request) -> Response {
    let (path, method) = (request.uri().path(), request.method());
    let methods = rows.methods();
    if methods.is_empty() {
        tracing::error!("the route has no row in the table of who may do what");
        return ApiError::new(
            ErrorCode::Forbidden,
            format!("nobody may use {path}: no scope is set for it"),
        )
        .into_response();
    }
    let mut response = ApiError::new(
        ErrorCode::MethodNotAllowed,
        format!("{path} does not know {method}"),
    )
    .hint("the Allow header lists the methods; /docs describes them")
    .into_response();
    if let Ok(value) = HeaderValue::try_from(methods) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}
