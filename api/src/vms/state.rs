//! Pause, resume, stop, start, delete. Each leaves a VM as it is that is in the wanted state already.

use axum::{Json, extract::State, http::StatusCode};
use thaw_api_types::{ErrorBody, VmInfo};
use thaw_runner::VmError;

use crate::{convert, error::ApiError, failure, named::Named, state::App};

/// Stop a VM's CPUs until it is resumed
///
/// Its memory stays, and what its programs held. Requests into it are refused until it is resumed.
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/pause",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 200, description = "It is paused", body = VmInfo),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is stopped", body = ErrorBody),
    ),
)]
pub(crate) async fn pause(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Json<VmInfo>, ApiError> {
    answer(&app, app.runner.pause_vm(&id).await).await
}

/// Let a paused VM go on
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/resume",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 200, description = "It runs", body = VmInfo),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is stopped", body = ErrorBody),
    ),
)]
pub(crate) async fn resume(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Json<VmInfo>, ApiError> {
    answer(&app, app.runner.resume_vm(&id).await).await
}

/// Power a VM off and keep its disk
///
/// What runs in it ends. Its memory is gone, what it wrote to its disk stays.
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/stop",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 200, description = "It is stopped", body = VmInfo),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn stop(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Json<VmInfo>, ApiError> {
    answer(&app, app.runner.stop_vm(&id).await).await
}

/// Boot a stopped VM from its disk
///
/// It can be used when the answer comes.
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/start",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 200, description = "It runs", body = VmInfo),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is paused", body = ErrorBody),
        (status = 503, description = "The node is full", body = ErrorBody),
    ),
)]
pub(crate) async fn start(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Json<VmInfo>, ApiError> {
    answer(&app, app.runner.start_vm(&id).await).await
}

/// End a VM and forget it
///
/// What runs in it ends, and its disk is gone. Snapshots of it stay.
#[utoipa::path(
    delete,
    path = "/v1/vms/{id}",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Named(id): Named,
) -> Result<StatusCode, ApiError> {
    match app.runner.delete_vm(&id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(failure::vm(&app, None, &error).await),
    }
}

async fn answer(
    app: &App,
    done: Result<thaw_runner::VmInfo, VmError>,
) -> Result<Json<VmInfo>, ApiError> {
    match done {
        Ok(vm) => Ok(Json(convert::vm(vm))),
        Err(error) => Err(failure::vm(app, None, &error).await),
    }
}
