//! Running programs in a VM that stays.

use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use thaw_api_types::{ErrorBody, ExecResponse, VmExecRequest};

use crate::{
    body::{JsonBody, wants_events},
    error::ApiError,
    exec::{checked, run_and_answer},
    failure,
    named::Named,
    observe::Arrived,
    state::App,
};

/// Run a program in a VM
///
/// As `POST /v1/exec`, in a VM that is there and stays. One that was paused because nobody used it is woken.
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
    Named(id): Named,
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
