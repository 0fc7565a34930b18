//! VMs that could not be made, found, changed or used.

use thaw_api_types::ErrorCode;
use thaw_runner::{
    StoreError, VmError,
    node::{self, TemplateSelector},
};

use super::{
    exec, lease,
    lease::is_disk_full,
    run::{started, too_many},
};
use crate::{error::ApiError, state::App};

pub(crate) async fn vm(app: &App, wanted: Option<&TemplateSelector>, error: &VmError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        VmError::NotFound(_) => of(ErrorCode::VmNotFound).hint("`thaw vm ls` lists what is there"),
        VmError::Ambiguous(_) => of(ErrorCode::VmAmbiguous).hint("give more of the id"),
        VmError::TooShort(_) => of(ErrorCode::VmAmbiguous)
            .hint("give its name, its id, or 6 digits of the id at least: thaw vm ls"),
        VmError::NameTaken(_) => of(ErrorCode::VmNameTaken).hint("choose another name"),
        VmError::Full(_) => of(ErrorCode::VmLimit).hint("delete VMs: thaw vm rm"),
        VmError::TooManyExecs { .. } => too_many(error),
        VmError::Paused(id) => {
            of(ErrorCode::VmPaused).hint(format!("resume it: thaw vm resume {id}"))
        }
        VmError::Stopped { id, .. } => {
            of(ErrorCode::VmStopped).hint(format!("start it: thaw vm start {id}"))
        }
        VmError::DiskTooLarge { limit_mib, .. } => of(ErrorCode::DiskTooLarge).hint(format!(
            "ask for at most {limit_mib} MiB, or start the daemon with a larger --max-disk"
        )),
        VmError::Metadata(_) => of(ErrorCode::InvalidRequest),
        VmError::NoSnapshot(_) => {
            of(ErrorCode::SnapshotNotFound).hint("`thaw snapshot ls` lists what is there")
        }
        VmError::AmbiguousSnapshot(_) => {
            of(ErrorCode::SnapshotAmbiguous).hint("give more of the id")
        }
        VmError::Lease(error) => match wanted {
            Some(wanted) => started(app, wanted, error).await,
            None => lease(error),
        },
        VmError::Exec(error) => exec(error),
        VmError::Node(error) => node_vm(error),
        VmError::Store(error) => store(error),
        VmError::ShuttingDown => of(ErrorCode::ShuttingDown),
    }
}

pub(super) fn node_vm(error: &node::VmError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        node::VmError::Unknown(_) => of(ErrorCode::VmNotFound),
        node::VmError::State { .. } => of(ErrorCode::VmFailed).hint("look at it: thaw vm inspect"),
        node::VmError::Control { .. } => of(ErrorCode::VmFailed),
        node::VmError::Guest(error) => exec(error),
        node::VmError::Storage { .. } if is_disk_full(error) => {
            of(ErrorCode::DiskFull).hint("free space under the storage root")
        }
        node::VmError::Storage { .. } => of(ErrorCode::Internal),
        node::VmError::Lease(error) => lease(error),
    }
}

pub(super) fn store(error: &StoreError) -> ApiError {
    if error.is_disk_full() {
        return ApiError::of(ErrorCode::DiskFull, error).hint("free space under the storage root");
    }
    ApiError::of(ErrorCode::Internal, error)
}
