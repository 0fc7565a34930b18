//! Making VMs.

use std::time::Duration;

use axum::{Extension, Json, extract::State, http::StatusCode};
use thaw_api_types::{CreateVmRequest, ErrorBody, VmInfo, limits};
use thaw_runner::{CreateVm, VmSource};

use crate::{
    auth::{AuditTarget, Identity},
    body::JsonBody,
    convert,
    error::ApiError,
    failure,
    state::App,
};

/// Create a VM, or restore one from a snapshot
///
/// It is awake and can be used when the answer comes, and it survives the daemon from then on. A caller that
/// hangs up before gets no VM.
#[utoipa::path(
    post,
    path = "/v1/vms",
    tag = "vms",
    request_body = CreateVmRequest,
    responses(
        (status = 201, description = "The VM", body = VmInfo),
        (status = 409, description = "Another VM has the name", body = ErrorBody),
        (status = 429, description = "No more VMs can be made", body = ErrorBody),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    JsonBody(wanted): JsonBody<CreateVmRequest>,
) -> Result<(StatusCode, Extension<AuditTarget>, Json<VmInfo>), ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let (source, selector) = match wanted.snapshot {
        Some(snapshot) => (VmSource::Snapshot(snapshot), None),
        None => {
            let (vcpus, memory_mib) = convert::shape(wanted.vcpus, wanted.memory_mib);
            let selector = convert::selector(wanted.image, wanted.template, vcpus, memory_mib);
            (VmSource::Template(selector.clone()), Some(selector))
        }
    };
    let call = CreateVm {
        source,
        name: wanted.name,
        disk_mib: wanted.disk_mib,
        env: wanted.env,
        metadata: wanted.metadata.map(convert::metadata).transpose()?,
        files: Vec::new(),
        idle_timeout: wanted.idle_timeout_s.map(Duration::from_secs),
        max_lifetime: wanted.max_lifetime_s.map(Duration::from_secs),
        network: wanted.network,
        owner: identity.owner(),
        start_within: start_within(wanted.start_timeout_ms),
    };
    match app.runner.create_vm(call).await {
        Ok(vm) => {
            let made = AuditTarget::made([vm.id.as_str()]);
            Ok((StatusCode::CREATED, made, Json(convert::vm(vm))))
        }
        Err(error) => Err(failure::vm(&app, selector.as_ref(), &error).await),
    }
}

/// How long a caller waits for a VM.
pub(super) fn start_within(timeout_ms: Option<u64>) -> Duration {
    Duration::from_millis(timeout_ms.unwrap_or(limits::DEFAULT_START_TIMEOUT_MS))
}
