//! The description of the interface, made from the code, and a page that shows it.

mod document;
mod page;

use axum::{
    Json,
    http::{HeaderName, header},
    response::Html,
};

pub use document::document;

/// `GET /openapi.json`.
pub(crate) async fn json() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

/// `GET /docs`: a page without scripts.
pub(crate) async fn docs() -> ([(HeaderName, &'static str); 1], Html<String>) {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    (
        [(header::CONTENT_SECURITY_POLICY, policy)],
        Html(page::render(&document())),
    )
}
