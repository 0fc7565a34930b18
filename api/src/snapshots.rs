//! `/v1/snapshots`. They are taken by `POST /v1/vms/{id}/snapshot` and restored by `POST /v1/vms`.

use axum::{Json, extract::State, http::StatusCode};
use thaw_api_types::{
    ChangeSnapshotRequest, ErrorBody, SnapshotInfo, SnapshotList, SnapshotListQuery,
};
use thaw_runner::SnapshotChange;

use crate::{
    body::{JsonBody, Parameters},
    convert::{self, Paging},
    error::ApiError,
    failure,
    named::Named,
    state::App,
};

/// List snapshots, newest first
#[utoipa::path(
    get,
    path = "/v1/snapshots",
    tag = "snapshots",
    params(SnapshotListQuery),
    responses(
        (status = 200, description = "One page of them", body = SnapshotList),
        (status = 422, description = "The query makes no sense", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Parameters(query): Parameters<SnapshotListQuery>,
) -> Result<Json<SnapshotList>, ApiError> {
    let mut problems = Vec::new();
    let paging = Paging::read(query.limit, query.cursor.as_deref(), &mut problems);
    let metadata = convert::wanted_metadata(query.metadata.as_deref(), &mut problems);
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let page = app
        .runner
        .snapshots(&metadata, paging.after.as_ref(), paging.limit);
    Ok(Json(SnapshotList {
        snapshots: page.items.into_iter().map(convert::snapshot).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// Find a snapshot
#[utoipa::path(
    get,
    path = "/v1/snapshots/{id}",
    tag = "snapshots",
    params(("id" = String, Path, description = "The snapshot's id, its name, or the beginning of its id alone")),
    responses(
        (status = 200, description = "The snapshot", body = SnapshotInfo),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "The ids of several begin so", body = ErrorBody),
    ),
)]
pub(crate) async fn find(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Json<SnapshotInfo>, ApiError> {
    match app.runner.snapshot(&id) {
        Ok(snapshot) => Ok(Json(convert::snapshot(snapshot))),
        Err(error) => Err(failure::snapshot(&app, &error).await),
    }
}

/// Rename a snapshot, or change its metadata
///
/// All of it is done, or nothing and an error. Its id stays.
#[utoipa::path(
    patch,
    path = "/v1/snapshots/{id}",
    tag = "snapshots",
    params(("id" = String, Path, description = "The snapshot's id or name")),
    request_body = ChangeSnapshotRequest,
    responses(
        (status = 200, description = "The snapshot", body = SnapshotInfo),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "Another snapshot has the name", body = ErrorBody),
        (status = 422, description = "The request makes no sense", body = ErrorBody),
    ),
)]
pub(crate) async fn change(
    State(app): State<App>,
    Named(id): Named,
    JsonBody(wanted): JsonBody<ChangeSnapshotRequest>,
) -> Result<Json<SnapshotInfo>, ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let change = SnapshotChange {
        name: wanted.name,
        metadata: wanted.metadata.map(convert::metadata).transpose()?,
        merge: wanted.metadata_merge,
    };
    match app.runner.change_snapshot(&id, change).await {
        Ok(snapshot) => Ok(Json(convert::snapshot(snapshot))),
        Err(error) => Err(failure::snapshot(&app, &error).await),
    }
}

/// Remove a snapshot
///
/// VMs that were restored from it go on.
#[utoipa::path(
    delete,
    path = "/v1/snapshots/{id}",
    tag = "snapshots",
    params(("id" = String, Path, description = "The snapshot's id or name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "A VM is being restored from it", body = ErrorBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Named(id): Named,
) -> Result<StatusCode, ApiError> {
    match app.runner.delete_snapshot(&id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(failure::snapshot(&app, &error).await),
    }
}
