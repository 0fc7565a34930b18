//! Images, templates and pools that could not be changed.

use thaw_api_types::ErrorCode;
use thaw_runner::node::AdminError;

use super::{image, lease, lease::is_disk_full};
use crate::error::ApiError;

pub(crate) fn admin(error: &AdminError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        AdminError::NotFound { kind, .. } => of(match *kind {
            "image" => ErrorCode::ImageNotFound,
            "template" => ErrorCode::TemplateNotFound,
            _ => ErrorCode::PoolNotFound,
        }),
        AdminError::InUse { kind, .. } => match *kind {
            "image" => {
                of(ErrorCode::ImageInUse).hint("remove its templates first: thaw template rm")
            }
            _ => of(ErrorCode::TemplateInUse)
                .hint(
                "remove its snapshots (thaw snapshot rm) and the VMs that stay (thaw vm rm), set its pool's min to 0, and wait for the others to end",
            ),
        },
        AdminError::Bad(_) => of(ErrorCode::InvalidRequest),
        AdminError::Add(error) => image::add(error),
        AdminError::Lease(error) => lease(error),
        AdminError::Io { .. } if is_disk_full(error) => {
            of(ErrorCode::DiskFull).hint("free space under the storage root")
        }
        AdminError::Io { .. } => of(ErrorCode::Internal),
    }
}
