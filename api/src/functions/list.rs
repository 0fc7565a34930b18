//! Listing, finding and removing.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use thaw_api_types::{ErrorBody, FunctionInfo, FunctionList, FunctionVersionList};

use super::convert;
use crate::{error::ApiError, failure, state::App};

/// List functions
#[utoipa::path(
    get,
    path = "/v1/functions",
    tag = "functions",
    responses((status = 200, description = "Every function", body = FunctionList)),
)]
pub(crate) async fn list(State(app): State<App>) -> Json<FunctionList> {
    let functions = app.functions.list();
    Json(FunctionList {
        functions: functions.into_iter().map(convert::function).collect(),
    })
}

/// Find a function
#[utoipa::path(
    get,
    path = "/v1/functions/{name}",
    tag = "functions",
    params(("name" = String, Path, description = "The function's name")),
    responses(
        (status = 200, description = "The function", body = FunctionInfo),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn find(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<FunctionInfo>, ApiError> {
    let found = app.functions.find(&name);
    found
        .map(|info| Json(convert::function(info)))
        .map_err(|error| failure::function(&error))
}

/// Remove a function with all of its versions and aliases
///
/// Events that it serves now are served to their end.
#[utoipa::path(
    delete,
    path = "/v1/functions/{name}",
    tag = "functions",
    params(("name" = String, Path, description = "The function's name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let removed = app.functions.remove(&name).await;
    removed.map_err(|error| failure::function(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a function's versions
#[utoipa::path(
    get,
    path = "/v1/functions/{name}/versions",
    tag = "functions",
    params(("name" = String, Path, description = "The function's name")),
    responses(
        (status = 200, description = "Every version, oldest first", body = FunctionVersionList),
        (status = 404, description = "There is no such function", body = ErrorBody),
    ),
)]
pub(crate) async fn versions(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<FunctionVersionList>, ApiError> {
    let versions = app.functions.versions(&name);
    let versions = versions.map_err(|error| failure::function(&error))?;
    Ok(Json(FunctionVersionList {
        versions: versions.iter().map(|v| convert::version(v)).collect(),
    }))
}

/// Remove a version that is neither the newest nor one that an alias leads to
#[utoipa::path(
    delete,
    path = "/v1/functions/{name}/versions/{version}",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name"),
        ("version" = u64, Path, description = "The version's number"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is in use", body = ErrorBody),
    ),
)]
pub(crate) async fn remove_version(
    State(app): State<App>,
    Path((name, version)): Path<(String, u64)>,
) -> Result<StatusCode, ApiError> {
    let removed = app.functions.remove_version(&name, version).await;
    removed.map_err(|error| failure::function(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
