//! `/v1/vms`: VMs that live until they are deleted.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use thaw_api_types::{
    CreateVmRequest, ErrorBody, ExecResponse, VmExecRequest, VmInfo, VmList, limits,
};
use thaw_runner::CreateVm;

use crate::{
    body::{JsonBody, wants_events},
    convert,
    error::ApiError,
    exec::{checked, run_and_answer},
    failure,
    observe::Arrived,
    state::App,
};

/// List VMs
#[utoipa::path(
    get,
    path = "/v1/vms",
    tag = "vms",
    responses((status = 200, description = "Every VM", body = VmList)),
)]
pub(crate) async fn list(State(app): State<App>) -> Json<VmList> {
    let vms = app.runner.vms();
    Json(VmList {
        vms: vms.into_iter().map(convert::vm).collect(),
    })
}

/// Create a VM
#[utoipa::path(
    post,
    path = "/v1/vms",
    tag = "vms",
    request_body = CreateVmRequest,
    responses(
        (status = 201, description = "The VM", body = VmInfo),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    JsonBody(wanted): JsonBody<CreateVmRequest>,
) -> Result<(StatusCode, Json<VmInfo>), ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let (vcpus, memory_mib) = convert::shape(wanted.vcpus, wanted.memory_mib);
    let selector = convert::selector(wanted.image, wanted.template, vcpus, memory_mib);
    let start_timeout_ms = wanted
        .start_timeout_ms
        .unwrap_or(limits::DEFAULT_START_TIMEOUT_MS);
    let call = CreateVm {
        selector: selector.clone(),
        name: wanted.name,
        start_within: Duration::from_millis(start_timeout_ms),
    };
    match app.runner.create_vm(call).await {
        Ok(vm) => Ok((StatusCode::CREATED, Json(convert::vm(vm)))),
        Err(error) => Err(failure::vm(&app, Some(&selector), &error).await),
    }
}

/// Find a VM
#[utoipa::path(
    get,
    path = "/v1/vms/{id}",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 200, description = "The VM", body = VmInfo),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn find(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<VmInfo>, ApiError> {
    match app.runner.vm(&id) {
        Ok(vm) => Ok(Json(convert::vm(vm))),
        Err(error) => Err(failure::vm(&app, None, &error).await),
    }
}

/// Run a program in a VM
///
/// As `POST /v1/exec`, in a VM that is there and stays.
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/exec",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    request_body = VmExecRequest,
    responses(
        (status = 200, description = "It ran", content(
            (ExecResponse = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn exec(
    State(app): State<App>,
    Extension(arrived): Extension<Arrived>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<VmExecRequest>,
) -> Result<Response, ApiError> {
    let (exec, form) = checked(request, wants_events(&headers), true, Vec::new())?;
    let start = async {
        match app.runner.vm_exec(&id, exec).await {
            Ok(running) => Ok(running),
            Err(error) => Err(failure::vm(&app, None, &error).await),
        }
    };
    Ok(run_and_answer(&app, arrived, form, start).await)
}

/// End a VM and forget it
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
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    match app.runner.delete_vm(&id) {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(failure::vm(&app, None, &error).await),
    }
}
