//! Changing what is noted of a VM.

use std::time::Duration;

use axum::{Json, extract::State};
use thaw_api_types::{ChangeVmRequest, ErrorBody, VmInfo};
use thaw_runner::VmChange;

use crate::{body::JsonBody, convert, error::ApiError, failure, named::Named, state::App};

/// Rename a VM, or change its metadata or times
///
/// All of it is done, or nothing and an error.
#[utoipa::path(
    patch,
    path = "/v1/vms/{id}",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    request_body = ChangeVmRequest,
    responses(
        (status = 200, description = "The VM", body = VmInfo),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "Another VM has the name", body = ErrorBody),
        (status = 422, description = "The request makes no sense", body = ErrorBody),
    ),
)]
pub(crate) async fn change(
    State(app): State<App>,
    Named(id): Named,
    JsonBody(wanted): JsonBody<ChangeVmRequest>,
) -> Result<Json<VmInfo>, ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let change = VmChange {
        name: wanted.name,
        metadata: wanted.metadata.map(convert::metadata).transpose()?,
        merge: wanted.metadata_merge,
        idle_timeout: wanted.idle_timeout_s.map(time),
        max_lifetime: wanted.max_lifetime_s.map(time),
    };
    match app.runner.change_vm(&id, change).await {
        Ok(vm) => Ok(Json(convert::vm(vm))),
        Err(error) => Err(failure::vm(&app, None, &error).await),
    }
}

/// 0 takes a time away.
fn time(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
