//! Aliases.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use thaw_api_types::{ErrorBody, ErrorCode, FunctionAlias, PutAliasRequest};

use super::convert;
use crate::{body::JsonBody, error::ApiError, failure, state::App};

/// Make an alias, or lead one elsewhere
#[utoipa::path(
    put,
    path = "/v1/functions/{name}/aliases/{alias}",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name"),
        ("alias" = String, Path, description = "1 to 64 of `a-z A-Z 0-9 - _`, not a number"),
    ),
    request_body = PutAliasRequest,
    responses(
        (status = 200, description = "The alias", body = FunctionAlias),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
    ),
)]
pub(crate) async fn put_alias(
    State(app): State<App>,
    Path((name, alias)): Path<(String, String)>,
    JsonBody(wanted): JsonBody<PutAliasRequest>,
) -> Result<Json<FunctionAlias>, ApiError> {
    let routes = convert::routes(&wanted.versions).ok_or_else(|| {
        ApiError::new(
            ErrorCode::InvalidRequest,
            "versions is an object of version numbers and weights, such as {\"3\": 1}",
        )
    })?;
    let put = app.functions.put_alias(&name, &alias, routes).await;
    put.map(|alias| Json(convert::alias(alias)))
        .map_err(|error| failure::function(&error))
}

/// Lead an alias where it led before its last change
///
/// A second time undoes the first.
#[utoipa::path(
    post,
    path = "/v1/functions/{name}/aliases/{alias}/rollback",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name"),
        ("alias" = String, Path, description = "The alias"),
    ),
    responses(
        (status = 200, description = "The alias", body = FunctionAlias),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It has led nowhere else", body = ErrorBody),
    ),
)]
pub(crate) async fn roll_back_alias(
    State(app): State<App>,
    Path((name, alias)): Path<(String, String)>,
) -> Result<Json<FunctionAlias>, ApiError> {
    let rolled_back = app.functions.roll_back(&name, &alias).await;
    rolled_back
        .map(|alias| Json(convert::alias(alias)))
        .map_err(|error| failure::function(&error))
}

/// Remove an alias
#[utoipa::path(
    delete,
    path = "/v1/functions/{name}/aliases/{alias}",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name"),
        ("alias" = String, Path, description = "The alias"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn remove_alias(
    State(app): State<App>,
    Path((name, alias)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let removed = app.functions.remove_alias(&name, &alias).await;
    removed.map_err(|error| failure::function(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
