//! `/dashboard/`: the pages of the dashboard, which are files that the binary carries.
//!
//! Anybody may read them, since they hold nothing of this server; what they show comes from `/v1` with the reader's session.

mod files;

use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use thaw_api_types::ErrorCode;

pub use files::Dashboard;

use crate::{error::ApiError, observe::Keep, state::App};

/// What the pages may do: run the scripts that came with them, which talk to this server alone. A terminal sets the
/// style of its cells, and images are made of what is read from a VM.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// The page that every address of the dashboard begins with; its script reads the address.
const INDEX: &str = "index.html";
/// Files below it have their content's hash in their names.
const ASSETS: &str = "assets/";

/// `GET /`, `GET /dashboard`.
pub(crate) async fn lead_in() -> Redirect {
    Redirect::to("/dashboard/")
}

/// `GET /dashboard/`.
pub(crate) async fn start(State(app): State<App>) -> Result<Response, ApiError> {
    page(app.dashboard, INDEX)
}

/// `GET /dashboard/{*path}`.
pub(crate) async fn file(
    State(app): State<App>,
    Path(path): Path<String>,
) -> Result<Response, ApiError> {
    page(app.dashboard, &path)
}

fn page(dashboard: Dashboard, path: &str) -> Result<Response, ApiError> {
    if dashboard.is_empty() {
        let error = ApiError::new(
            ErrorCode::RouteNotFound,
            "this build of Thaw has no dashboard",
        );
        return Err(
            error.hint("`make build` builds it in, where there is Node 20.19 or newer with npm")
        );
    }
    let (path, bytes) = match dashboard.find(path) {
        Some(bytes) => (path, bytes),
        None if path.starts_with(ASSETS) => {
            let error = ApiError::new(ErrorCode::RouteNotFound, "the dashboard has no such file");
            return Err(error.hint("load the page again: the server may be of another version now"));
        }
        None => (INDEX, dashboard.find(INDEX).unwrap_or_default()),
    };
    let keep = if path.starts_with(ASSETS) {
        Keep("public, max-age=31536000, immutable")
    } else {
        Keep("no-cache")
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind(path))),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((Extension(keep), headers, bytes).into_response())
}

/// The media type of a file, by its name.
fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
