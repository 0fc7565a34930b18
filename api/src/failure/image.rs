//! Images that could not be made.

use thaw_api_types::ErrorCode;
use thaw_runner::node::image::{AddError, ErrorKind};

use crate::error::ApiError;

pub(super) fn add(error: &AddError) -> ApiError {
    let code = match error.kind() {
        ErrorKind::NotFound => ErrorCode::ImageNotFound,
        ErrorKind::Unauthorised => ErrorCode::ImageAccessDenied,
        ErrorKind::Unavailable => ErrorCode::ImageSourceUnavailable,
        ErrorKind::BadInput | ErrorKind::TooLarge => ErrorCode::ImageInvalid,
        ErrorKind::DiskFull => ErrorCode::DiskFull,
        ErrorKind::Internal => ErrorCode::ImageFailed,
    };
    let answer = ApiError::of(code, error);
    match error.hint() {
        Some(hint) => answer.hint(hint),
        None => answer,
    }
}
