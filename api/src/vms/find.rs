//! Listing and finding VMs.

use axum::{Json, extract::State};
use thaw_api_types::{ErrorBody, VmInfo, VmList, VmListQuery};
use thaw_runner::VmFilter;

use crate::{
    body::Parameters,
    convert::{self, Paging},
    error::ApiError,
    failure,
    named::Named,
    state::App,
};

/// List VMs, newest first
#[utoipa::path(
    get,
    path = "/v1/vms",
    tag = "vms",
    params(VmListQuery),
    responses(
        (status = 200, description = "One page of them", body = VmList),
        (status = 422, description = "The query makes no sense", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Parameters(query): Parameters<VmListQuery>,
) -> Result<Json<VmList>, ApiError> {
    let mut problems = Vec::new();
    let paging = Paging::read(query.limit, query.cursor.as_deref(), &mut problems);
    let filter = VmFilter {
        state: query.state.map(convert::vm_state_kind),
        name: query.name,
        image: query.image,
        metadata: convert::wanted_metadata(query.metadata.as_deref(), &mut problems),
    };
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let page = app.runner.vms(&filter, paging.after.as_ref(), paging.limit);
    Ok(Json(VmList {
        vms: page.items.into_iter().map(convert::vm).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// Find a VM
#[utoipa::path(
    get,
    path = "/v1/vms/{id}",
    tag = "vms",
    params(("id" = String, Path, description = "The VM's id, its name, or the beginning of its id alone")),
    responses(
        (status = 200, description = "The VM", body = VmInfo),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "The ids of several begin so", body = ErrorBody),
    ),
)]
pub(crate) async fn find(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Json<VmInfo>, ApiError> {
    match app.runner.vm(&id) {
        Ok(vm) => Ok(Json(convert::vm(vm))),
        Err(error) => Err(failure::vm(&app, None, &error).await),
    }
}
