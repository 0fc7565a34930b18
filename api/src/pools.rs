//! `/v1/pools`.

use std::time::Duration;

use axum::{Json, extract::State};
use thaw_api_types::{ErrorBody, PoolInfo, PoolList, SetPoolRequest};
use thaw_runner::node::PoolSettings;

use crate::{body::JsonBody, convert, error::ApiError, failure, state::App};

/// List pools
#[utoipa::path(
    get,
    path = "/v1/pools",
    tag = "pools",
    responses((status = 200, description = "Every pool", body = PoolList)),
)]
pub(crate) async fn list(State(app): State<App>) -> Json<PoolList> {
    let pools = app.runner.node().pools().await;
    Json(PoolList {
        pools: pools.into_iter().map(convert::pool).collect(),
    })
}

/// Set a pool's bounds
///
/// The pool is made where it is missing, as are its template and image.
#[utoipa::path(
    put,
    path = "/v1/pools",
    tag = "pools",
    request_body = SetPoolRequest,
    responses(
        (status = 200, description = "The pool", body = PoolInfo),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn set(
    State(app): State<App>,
    JsonBody(wanted): JsonBody<SetPoolRequest>,
) -> Result<Json<PoolInfo>, ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let (vcpus, memory_mib) = convert::shape(wanted.vcpus, wanted.memory_mib);
    let selector = convert::selector(wanted.image, wanted.template, vcpus, memory_mib);
    let settings = PoolSettings {
        min: wanted.min,
        max: wanted.max,
        idle: Duration::from_millis(wanted.idle_ms),
    };
    let set = app.runner.node().set_pool(&selector, settings).await;
    Ok(Json(convert::pool(
        set.map_err(|error| failure::admin(&error))?,
    )))
}
