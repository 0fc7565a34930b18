//! The id or name in a path.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use thaw_api_types::{ErrorCode, limits::MAX_NAME_CHARS};

use crate::error::ApiError;

/// The id or name in a path, decoded. It is only ever compared, never a path of the host.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.body_text()))?;
        if name.chars().count() > MAX_NAME_CHARS {
            return Err(ApiError::new(
                ErrorCode::InvalidRequest,
                format!("ids and names have at most {MAX_NAME_CHARS} characters"),
            ));
        }
        Ok(Self(name))
    }
}
