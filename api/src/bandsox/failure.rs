//! Errors of the runner in BandSox's words.

use axum::http::StatusCode;
use thaw_runner::VmError;

use super::error::Detail;
use crate::{failure, state::App};

/// A VM that was looked up or changed.
pub(super) async fn vm(app: &App, error: VmError) -> Detail {
    match error {
        VmError::NotFound(_) | VmError::Ambiguous(_) | VmError::TooShort(_) => {
            Detail::not_found("VM")
        }
        other => failure::vm(app, None, &other).await.into(),
    }
}

/// A VM in which something was to be done: one that is stopped is as good as none.
pub(super) async fn used(app: &App, error: VmError) -> Detail {
    match error {
        VmError::NotFound(_)
        | VmError::Ambiguous(_)
        | VmError::TooShort(_)
        | VmError::Stopped { .. } => Detail::not_found("VM").saying("VM not found or not running"),
        other => vm(app, other).await,
    }
}

/// A VM that was to be made. What is not found then is no VM: clients take a 404 for one.
pub(super) fn made(error: crate::error::ApiError) -> Detail {
    let detail = Detail::from(error);
    if detail.status() == StatusCode::NOT_FOUND {
        detail.with_status(StatusCode::BAD_REQUEST)
    } else {
        detail
    }
}
