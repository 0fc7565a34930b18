//! Folders as tar archives.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use thaw_api_types::{ErrorBody, FileInfo};
use thaw_runner::node::vmm::protocol::{FileOperation, Reply};

use super::{
    convert,
    entries::{file_name, open},
    query::Query,
};
use crate::{
    error::ApiError,
    inside::data::{begun, download, nonsense, upload},
    named::Named,
    state::App,
};

/// Pack a folder or a file as a tar archive
///
/// The entries are named from inside the folder. Owners, permissions, links and times are kept; file systems
/// mounted below the folder and sockets are left out. An answer that breaks off is an archive that is not whole.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/files/archive",
    operation_id = "pack_folder",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("path" = String, Query, description = "An absolute path, percent-encoded"),
    ),
    responses(
        (status = 200, description = "The archive", body = Vec<u8>, content_type = "application/x-tar"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn pack(
    State(app): State<App>,
    Named(id): Named,
    mut query: Query,
) -> Result<Response, ApiError> {
    let path = query.path();
    query.finish()?;
    let name = file_name(&path);
    let mut running = open(&app, &id, FileOperation::Pack { path }).await?;
    begun(&mut running).await?;
    let mut head = HeaderMap::new();
    head.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-tar"),
    );
    head.insert(header::CONTENT_DISPOSITION, disposition(&name));
    Ok((head, download(running, None)).into_response())
}

/// A name for the caller's disk, made of characters that need no quoting.
fn disposition(name: &str) -> HeaderValue {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name.chars().filter(|c| plain(*c)).take(100).collect();
    let name = if name.trim_matches('.').is_empty() {
        "files"
    } else {
        &name
    };
    HeaderValue::try_from(format!("attachment; filename=\"{name}.tar\""))
        .unwrap_or(HeaderValue::from_static("attachment"))
}

/// Unpack a tar archive into a folder
///
/// The body is a tar archive that is not compressed. The folder is made where it is missing; what is there
/// stays unless the archive replaces it. Each file is replaced in one step, so an upload that is cut off leaves
/// files that are whole or absent. Names and links that lead out of the folder are refused.
#[utoipa::path(
    put,
    path = "/v1/vms/{id}/files/archive",
    operation_id = "unpack_folder",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("path" = String, Query, description = "An absolute path, percent-encoded"),
    ),
    request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses(
        (status = 200, description = "The folder", body = FileInfo),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn unpack(
    State(app): State<App>,
    Named(id): Named,
    mut query: Query,
    body: Body,
) -> Result<Json<FileInfo>, ApiError> {
    let path = query.path();
    query.finish()?;
    let running = open(&app, &id, FileOperation::Unpack { path }).await?;
    match upload(running, body).await? {
        Reply::File(file) => Ok(Json(convert::file(file))),
        _ => Err(nonsense()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_guest_breaks_a_header() {
        for (name, expected) in [
            ("src", "src"),
            ("a\"\r\nb ü", "ab"),
            ("..", "files"),
            ("", "files"),
        ] {
            let value = disposition(name);
            let expected = format!("attachment; filename=\"{expected}.tar\"");
            assert_eq!(value.to_str().unwrap(), expected);
        }
    }
}
