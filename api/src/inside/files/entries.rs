//! Folders and their entries: listed, made, moved, removed.

use axum::{Json, extract::State, http::StatusCode};
use thaw_api_types::{
    ErrorBody, FileInfo, FileListing, MakeDirectoryRequest, MoveFileRequest, limits,
};
use thaw_runner::{
    RunningInside,
    node::{
        InsideRequest, StreamEvent,
        vmm::protocol::{self, FileOperation, GuestPath, Reply},
    },
};

use super::{convert, query::Query};
use crate::{
    body::JsonBody,
    error::ApiError,
    failure,
    inside::data::{begun, nonsense},
    named::Named,
    state::App,
};

/// What a page of entries may take as JSON, in bytes: the largest page of the longest names and targets.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// Look at a file or list a folder
///
/// A link is shown itself; with a slash after it, what it leads to.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/files",
    operation_id = "list_files",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("path" = String, Query, description = "An absolute path, percent-encoded; any bytes but NUL"),
        ("after" = Option<String>, Query, description = "Only entries whose names come after this one"),
        ("limit" = Option<u32>, Query, description = "How many entries: 1 to 10000, default 1000; 0 for none"),
    ),
    responses(
        (status = 200, description = "What is there", body = FileListing),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Named(id): Named,
    mut query: Query,
) -> Result<Json<FileListing>, ApiError> {
    let path = query.path();
    let after = query.name("after");
    let limit = query.number("limit");
    query.finish()?;
    let limit = limit.unwrap_or(limits::DEFAULT_LIST_ENTRIES.into());
    let limit = u32::try_from(limit)
        .ok()
        .filter(|limit| *limit <= limits::MAX_LIST_ENTRIES)
        .ok_or_else(|| {
            let most = limits::MAX_LIST_ENTRIES;
            ApiError::invalid(&[format!("limit is {limit}; it may be 0 to {most}")])
        })?;
    let stat = FileOperation::Stat { path: path.clone() };
    let file = reply_file(&app, &id, stat).await?;
    if file.kind != protocol::FileKind::Directory || limit == 0 {
        return Ok(Json(FileListing {
            file: convert::file(file),
            entries: None,
            more: false,
        }));
    }
    let operation = FileOperation::List { path, after, limit };
    let running = open(&app, &id, operation).await?;
    let (entries, more) = collect(running).await?;
    Ok(Json(FileListing {
        file: convert::file(file),
        entries: Some(entries),
        more,
    }))
}

async fn collect(mut running: RunningInside) -> Result<(Vec<FileInfo>, bool), ApiError> {
    begun(&mut running).await?;
    let (mut entries, mut size) = (Vec::new(), 0);
    loop {
        match running.next().await {
            Ok(StreamEvent::Data(bytes)) => {
                size += bytes.len();
                let page = serde_json::from_slice::<Vec<protocol::FileInfo>>(&bytes);
                let page = page.ok().filter(|_| size <= MAX_PAGE_BYTES);
                let page = page.ok_or_else(nonsense)?;
                entries.extend(page.into_iter().map(convert::file));
            }
            Ok(StreamEvent::Done(Reply::Listed { more })) => return Ok((entries, more)),
            Ok(_) => return Err(nonsense()),
            Err(error) => return Err(failure::exec(&error)),
        }
    }
}

/// Make a folder
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/files/mkdir",
    tag = "inside",
    params(("id" = String, Path, description = "The VM's id or name")),
    request_body = MakeDirectoryRequest,
    responses(
        (status = 201, description = "The folder", body = FileInfo),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn make_directory(
    State(app): State<App>,
    Named(id): Named,
    JsonBody(request): JsonBody<MakeDirectoryRequest>,
) -> Result<(StatusCode, Json<FileInfo>), ApiError> {
    let mut problems = Vec::new();
    let path = convert::path("path", request.path, request.path_base64, &mut problems);
    let mode = request
        .mode
        .and_then(|mode| super::query::mode(&mode, &mut problems));
    refuse(&problems)?;
    let operation = FileOperation::MakeDirectory {
        path,
        parents: request.parents,
        mode,
    };
    let made = reply_file(&app, &id, operation).await?;
    Ok((StatusCode::CREATED, Json(convert::file(made))))
}

/// Move a file or folder
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/files/move",
    tag = "inside",
    params(("id" = String, Path, description = "The VM's id or name")),
    request_body = MoveFileRequest,
    responses(
        (status = 200, description = "What was moved, where it is now", body = FileInfo),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn move_file(
    State(app): State<App>,
    Named(id): Named,
    JsonBody(request): JsonBody<MoveFileRequest>,
) -> Result<Json<FileInfo>, ApiError> {
    let mut problems = Vec::new();
    let from = convert::path("from", request.from, request.from_base64, &mut problems);
    let to = convert::path("to", request.to, request.to_base64, &mut problems);
    refuse(&problems)?;
    let operation = FileOperation::Move {
        from,
        to,
        overwrite: request.overwrite,
    };
    let moved = reply_file(&app, &id, operation).await?;
    Ok(Json(convert::file(moved)))
}

/// Remove a file, link or folder
#[utoipa::path(
    delete,
    path = "/v1/vms/{id}/files",
    operation_id = "remove_file",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("path" = String, Query, description = "An absolute path, percent-encoded"),
        ("recursive" = Option<bool>, Query, description = "A folder with everything in it"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Named(id): Named,
    mut query: Query,
) -> Result<StatusCode, ApiError> {
    let path = query.path();
    let recursive = query.flag("recursive");
    query.finish()?;
    let operation = FileOperation::Remove { path, recursive };
    match reply(&app, &id, operation).await? {
        Reply::Done => Ok(StatusCode::NO_CONTENT),
        _ => Err(nonsense()),
    }
}

/// Begins an operation that carries data.
pub(super) async fn open(
    app: &App,
    vm: &str,
    operation: FileOperation,
) -> Result<RunningInside, ApiError> {
    match app
        .runner
        .vm_inside(vm, InsideRequest::Files(operation))
        .await
    {
        Ok(running) => Ok(running),
        Err(error) => Err(failure::vm(app, None, &error).await),
    }
}

async fn reply(app: &App, vm: &str, operation: FileOperation) -> Result<Reply, ApiError> {
    match app
        .runner
        .vm_reply(vm, InsideRequest::Files(operation))
        .await
    {
        Ok(reply) => Ok(reply),
        Err(error) => Err(failure::vm(app, None, &error).await),
    }
}

async fn reply_file(
    app: &App,
    vm: &str,
    operation: FileOperation,
) -> Result<protocol::FileInfo, ApiError> {
    match reply(app, vm, operation).await? {
        Reply::File(file) => Ok(file),
        _ => Err(nonsense()),
    }
}

fn refuse(problems: &[String]) -> Result<(), ApiError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(problems))
    }
}

/// The name of what a path leads to, for the caller's disk.
pub(super) fn file_name(path: &GuestPath) -> String {
    let text = path.lossy();
    let name = text.trim_end_matches('/').rsplit('/').next();
    name.unwrap_or_default().to_owned()
}
