//! Taking snapshots of a VM.

use axum::{Extension, Json, extract::State, http::StatusCode};
use thaw_api_types::{ErrorBody, SnapshotInfo, TakeSnapshotRequest};
use thaw_runner::TakeSnapshot;

use crate::{
    auth::{AuditTarget, Identity},
    body::JsonBody,
    convert,
    error::ApiError,
    failure,
    named::Named,
    state::App,
};

/// Take a snapshot of a VM
///
/// The VM goes on as it was, running or paused. The snapshot is on the disk when the answer comes.
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/snapshot",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    request_body = TakeSnapshotRequest,
    responses(
        (status = 201, description = "The snapshot", body = SnapshotInfo),
        (status = 404, description = "There is no such VM", body = ErrorBody),
        (status = 409, description = "The VM is stopped, the name is taken, or there are too many", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn snapshot(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Named(id): Named,
    JsonBody(wanted): JsonBody<TakeSnapshotRequest>,
) -> Result<(StatusCode, Extension<AuditTarget>, Json<SnapshotInfo>), ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let call = TakeSnapshot {
        name: wanted.name,
        id: None,
        metadata: wanted.metadata.map(convert::metadata).transpose()?,
        owner: identity.owner(),
    };
    match app.runner.take_snapshot(&id, call).await {
        Ok(taken) => {
            let made = AuditTarget::made([taken.id.as_str()]);
            Ok((StatusCode::CREATED, made, Json(convert::snapshot(taken))))
        }
        Err(error) => Err(failure::snapshot(&app, &error).await),
    }
}
