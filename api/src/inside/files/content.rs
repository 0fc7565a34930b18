//! A file's content: down in whole or in part, and up.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use thaw_api_types::{ErrorBody, ErrorCode, FileInfo};
use thaw_runner::node::vmm::protocol::{FileOperation, Reply};

use super::{
    convert,
    entries::open,
    query::Query,
    range::{Range, range},
};
use crate::{
    error::ApiError,
    inside::data::{begun, download, nonsense, upload},
    named::Named,
    state::App,
};

/// Read a file
///
/// The answer's length is known unless the guest does not know it either (`/proc`). A `Range` header with one
/// range is heeded; `offset` and `length` do the same without one.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/files/content",
    operation_id = "read_file",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("path" = String, Query, description = "An absolute path, percent-encoded; links are followed"),
        ("offset" = Option<u64>, Query, description = "Where to begin, in bytes"),
        ("length" = Option<u64>, Query, description = "How many bytes at most"),
    ),
    responses(
        (status = 200, description = "The content", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The range", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Named(id): Named,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, ApiError> {
    let path = query.path();
    let (offset, length) = (query.number("offset"), query.number("length"));
    query.finish()?;
    let asked = match (offset, length) {
        (None, None) => range(&headers),
        _ => None,
    };
    let (offset_bytes, length_bytes, last_bytes) = match asked {
        Some(Range::From(offset, length)) => (offset, length, None),
        Some(Range::Last(last)) => (0, None, Some(last)),
        None => (offset.unwrap_or(0), length, None),
    };
    let operation = FileOperation::Read {
        path,
        offset_bytes,
        length_bytes,
        last_bytes,
    };
    let mut running = open(&app, &id, operation).await?;
    let Reply::Content {
        info,
        offset_bytes,
        length_bytes,
    } = begun(&mut running).await?
    else {
        return Err(nonsense());
    };
    let size = info.size_bytes;
    let mut head = HeaderMap::new();
    head.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(length) = length_bytes {
        head.insert(header::CONTENT_LENGTH, length.into());
    }
    let mut status = StatusCode::OK;
    if let (Some(_), Some(length)) = (asked, length_bytes) {
        if length == 0 {
            return Err(ApiError::new(
                ErrorCode::RangeNotSatisfiable,
                format!("the file has {size} bytes; the range lies beyond"),
            ));
        }
        let last = offset_bytes + length - 1;
        let range = format!("bytes {offset_bytes}-{last}/{size}");
        if let Ok(value) = HeaderValue::try_from(range) {
            head.insert(header::CONTENT_RANGE, value);
        }
        status = StatusCode::PARTIAL_CONTENT;
    }
    Ok((status, head, download(running, length_bytes)).into_response())
}

/// Write a file
///
/// The body is the content, of any size and type. The file is replaced in one step when all of it has come: an
/// upload that is cut off changes nothing. With `append` the content is added instead.
#[utoipa::path(
    put,
    path = "/v1/vms/{id}/files/content",
    operation_id = "write_file",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("path" = String, Query, description = "An absolute path, percent-encoded; links are followed"),
        ("mode" = Option<String>, Query, description = "Permissions in octal; those of the file that is there, else 0644"),
        ("append" = Option<bool>, Query, description = "Add to what is there"),
        ("parents" = Option<bool>, Query, description = "Make missing folders on the way"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The file", body = FileInfo),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn write(
    State(app): State<App>,
    Named(id): Named,
    mut query: Query,
    body: Body,
) -> Result<Json<FileInfo>, ApiError> {
    let operation = FileOperation::Write {
        path: query.path(),
        mode: query.mode(),
        append: query.flag("append"),
        parents: query.flag("parents"),
    };
    query.finish()?;
    let running = open(&app, &id, operation).await?;
    match upload(running, body).await? {
        Reply::File(file) => Ok(Json(convert::file(file))),
        _ => Err(nonsense()),
    }
}
