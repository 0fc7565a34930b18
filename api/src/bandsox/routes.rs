//! The routes of this surface.

use axum::{
    extract::DefaultBodyLimit,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
    routing::{delete, get, post, put},
};

use super::{
    dockerfile, error::Detail, exec, exec_stream, files, http, keys, pages, snapshots, terminal,
    upload, vms, write,
};
use crate::auth::Routes;

/// Adds the routes of this surface.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .route("/api/auth/login", post(keys::login))
        .route("/api/auth/logout", post(keys::logout))
        .route("/api/auth/check", get(keys::check))
        .route("/api/auth/keys", get(keys::list).post(keys::create))
        .route("/api/auth/keys/{id}", delete(keys::revoke))
        .route("/api/vms", get(vms::list).post(vms::create))
        .route("/api/projects", get(vms::list))
        .route(
            "/api/vms/from-dockerfile",
            post(dockerfile::create).layer(DefaultBodyLimit::max(dockerfile::MAX_FORM_BYTES)),
        )
        .route("/api/vms/{id}", get(vms::find).delete(vms::remove))
        .route("/api/vms/{id}/stop", post(vms::stop))
        .route("/api/vms/{id}/pause", post(vms::pause))
        .route("/api/vms/{id}/resume", post(vms::resume))
        .route("/api/vms/{id}/name", put(vms::rename))
        .route("/api/vms/{id}/metadata", put(vms::set_metadata))
        .route("/api/vms/{id}/snapshot", post(snapshots::take))
        .route("/api/vms/{id}/exec", post(exec::exec))
        .route("/api/vms/{id}/exec-python", post(exec::exec_python))
        .route("/api/vms/{id}/exec-stream", get(exec_stream::exec_stream))
        .route("/api/vms/{id}/terminal", get(terminal::terminal))
        .route("/api/vms/{id}/files", get(files::list))
        .route("/api/vms/{id}/read-file", get(files::read))
        .route("/api/vms/{id}/write-file", post(write::write))
        .route("/api/vms/{id}/append-file", post(write::append))
        .route("/api/vms/{id}/file-info", get(files::info))
        .route("/api/vms/{id}/upload", post(upload::upload))
        .route("/api/vms/{id}/download", get(files::download))
        .route("/api/vms/{id}/http", post(http::send))
        .route("/api/snapshots", get(snapshots::list))
        .route("/api/snapshots/{id}", delete(snapshots::remove))
        .route("/api/snapshots/{id}/restore", post(snapshots::restore))
        .route("/api/snapshots/{id}/name", put(snapshots::rename))
        .route("/api/snapshots/{id}/metadata", put(snapshots::set_metadata))
        .route("/vm_details", get(pages::vm))
        .route("/terminal", get(pages::terminal))
        .route("/markdown_viewer", get(pages::markdown))
}

/// Whether a path is of this surface, whose errors have a shape of their own.
pub(crate) fn is_ours(path: &str) -> bool {
    path.starts_with("/api/")
}

/// What is asked for can't be done so.
pub(crate) fn wrong_method() -> Detail {
    Detail::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// What is asked for is nowhere on this surface.
pub(crate) fn unknown() -> Detail {
    Detail::new(StatusCode::NOT_FOUND, "Not Found")
}

/// As [`unknown`], unless the path ends with a slash: as on BandSox's server the client is sent to the one without.
pub(crate) fn unknown_path(uri: &Uri) -> Response {
    let bare = uri.path().trim_end_matches('/');
    if bare.len() == uri.path().len() || !is_ours(bare) {
        return unknown().into_response();
    }
    let query = uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    // Within this surface, so never at another host.
    Redirect::temporary(&format!("{bare}{query}")).into_response()
}
