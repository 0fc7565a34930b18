//! `/v1/keys`.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use thaw_api_types::{CreateKeyRequest, CreatedKey, ErrorBody, ErrorCode, KeyList};

use crate::{
    auth::{AuditTarget, KeyError, NewKey, clock::now_s},
    body::JsonBody,
    error::ApiError,
    state::App,
};

/// List API keys
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "auth",
    responses((status = 200, description = "Every key, by name", body = KeyList)),
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<KeyList>, ApiError> {
    match app.auth.keys().await {
        Ok(keys) => Ok(Json(KeyList { keys })),
        Err(error) => Err(ApiError::of(ErrorCode::Internal, &error)),
    }
}

/// Make an API key
///
/// The key itself is in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "auth",
    request_body = CreateKeyRequest,
    responses(
        (status = 201, description = "The key", body = CreatedKey),
        (status = 409, description = "Another key has this name", body = ErrorBody),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    JsonBody(wanted): JsonBody<CreateKeyRequest>,
) -> Result<(StatusCode, Extension<AuditTarget>, Json<CreatedKey>), ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let new = NewKey {
        name: wanted.name,
        scopes: wanted.scopes,
        expires_at: wanted
            .expires_in_s
            .map(|seconds| now_s().saturating_add(seconds)),
    };
    let (key, info) = match app.auth.create_key(new).await {
        Ok(made) => made,
        Err(error) => {
            let code = match &error {
                KeyError::NameTaken(_) => ErrorCode::KeyNameTaken,
                KeyError::TooMany => ErrorCode::TooManyKeys,
                KeyError::Db(_) => ErrorCode::Internal,
            };
            return Err(ApiError::of(code, &error));
        }
    };
    let target = AuditTarget::Named(format!("{} ({})", info.name, info.id));
    let made = CreatedKey {
        key: key.expose().to_owned(),
        info,
    };
    Ok((StatusCode::CREATED, Extension(target), Json(made)))
}

/// Revoke an API key
///
/// It is worth nothing from then on.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    tag = "auth",
    params(("id" = String, Path, description = "The key's id or name")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Extension<AuditTarget>), ApiError> {
    match app.auth.revoke_key(id.clone()).await {
        Ok(Some(key)) => {
            let target = AuditTarget::Named(format!("{} ({})", key.name, key.id));
            Ok((StatusCode::NO_CONTENT, Extension(target)))
        }
        Ok(None) => Err(
            ApiError::new(ErrorCode::KeyNotFound, format!("there is no key {id:?}"))
                .hint("`thaw key ls` lists what is there"),
        ),
        Err(error) => Err(ApiError::of(ErrorCode::Internal, &error)),
    }
}
