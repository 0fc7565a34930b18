//! `/v1/vms/{id}/usage`

use axum::{Json, extract::State};
use thaw_api_types::{ErrorBody, VmUsage};

use crate::{convert, error::ApiError, failure, named::Named, state::App};

/// Say what a VM uses
///
/// Asking is no use of it: a VM that is paused because nobody used it stays so, and has no `guest` figures.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/usage",
    tag = "inside",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 200, description = "What it uses", body = VmUsage),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn usage(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Json<VmUsage>, ApiError> {
    match app.runner.vm_usage(&id).await {
        Ok(usage) => Ok(Json(convert::usage(usage))),
        Err(error) => Err(failure::vm(&app, None, &error).await),
    }
}
