//! Forking a VM.

use axum::{Extension, Json, extract::State, http::StatusCode};
use thaw_api_types::{ErrorBody, ForkVmRequest, ForkVmResponse};
use thaw_runner::ForkVm;

use super::create::start_within;
use crate::{
    auth::{AuditTarget, Identity},
    body::JsonBody,
    convert,
    error::ApiError,
    failure,
    named::Named,
    state::App,
};

/// Make more VMs that begin where this one is now
///
/// It goes on as it was. All of them are made, awake and usable, or none.
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/fork",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id or name")),
    request_body = ForkVmRequest,
    responses(
        (status = 201, description = "The new VMs", body = ForkVmResponse),
        (status = 404, description = "There is no such VM", body = ErrorBody),
        (status = 409, description = "The VM is stopped, or a name is taken", body = ErrorBody),
        (status = 429, description = "No more VMs can be made", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn fork(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Named(id): Named,
    JsonBody(wanted): JsonBody<ForkVmRequest>,
) -> Result<(StatusCode, Extension<AuditTarget>, Json<ForkVmResponse>), ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let names = match wanted.names {
        Some(names) => names.into_iter().map(Some).collect(),
        None => vec![None; wanted.count as usize],
    };
    let call = ForkVm {
        names,
        env: wanted.env,
        metadata: wanted.metadata.map(convert::metadata).transpose()?,
        owner: identity.owner(),
        within: start_within(wanted.start_timeout_ms),
    };
    match app.runner.fork_vm(&id, call).await {
        Ok(forked) => {
            let made = AuditTarget::made(forked.vms.iter().map(|vm| vm.id.as_str()));
            Ok((StatusCode::CREATED, made, Json(convert::forked(forked))))
        }
        Err(error) => Err(failure::snapshot(&app, &error).await),
    }
}
