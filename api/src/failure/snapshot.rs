//! Snapshots that could not be taken, found, changed or removed, and VMs that could not be forked.

use thaw_api_types::ErrorCode;
use thaw_runner::{SnapshotError, node};

use super::{
    admin, exec, lease,
    lease::{TRACE_HINT, is_disk_full},
    vm::{node_vm, store, vm},
};
use crate::{error::ApiError, state::App};

pub(crate) async fn snapshot(app: &App, error: &SnapshotError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        SnapshotError::NotFound(_) => {
            of(ErrorCode::SnapshotNotFound).hint("`thaw snapshot ls` lists what is there")
        }
        SnapshotError::Ambiguous(_) => of(ErrorCode::SnapshotAmbiguous).hint("give more of the id"),
        SnapshotError::TooShort(_) => of(ErrorCode::SnapshotAmbiguous)
            .hint("give its name, its id, or 6 digits of the id at least: thaw snapshot ls"),
        SnapshotError::NameTaken(_) => of(ErrorCode::SnapshotNameTaken).hint("choose another name"),
        SnapshotError::Full(_) => {
            of(ErrorCode::SnapshotLimit).hint("remove snapshots: thaw snapshot rm")
        }
        SnapshotError::InUse(_) => {
            of(ErrorCode::SnapshotInUse).hint("wait until they are restored")
        }
        SnapshotError::Metadata(_) => of(ErrorCode::InvalidRequest),
        SnapshotError::Vm(error) => vm(app, None, error).await,
        SnapshotError::Node(error) => node_snapshot(error),
        SnapshotError::Remove(error) => admin(error),
        SnapshotError::Store(error) => store(error),
        SnapshotError::NoEntropy(_) | SnapshotError::Id(_) => of(ErrorCode::Internal),
        SnapshotError::ShuttingDown => of(ErrorCode::ShuttingDown),
    }
}

fn node_snapshot(error: &node::SnapshotError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        node::SnapshotError::NotPermitted(_) => {
            of(ErrorCode::SnapshotsNotPermitted).hint(TRACE_HINT)
        }
        node::SnapshotError::Template(error) => lease(error),
        node::SnapshotError::Count { .. } => of(ErrorCode::InvalidRequest),
        node::SnapshotError::Exists(_) => of(ErrorCode::SnapshotNameTaken),
        node::SnapshotError::Vm(error) => node_vm(error),
        node::SnapshotError::Guest(error) => exec(error),
        node::SnapshotError::DiskFull { .. } => disk_full(error),
        node::SnapshotError::Write(_) if is_disk_full(error) => disk_full(error),
        node::SnapshotError::Memory(_) | node::SnapshotError::Write(_) => {
            of(ErrorCode::SnapshotFailed)
        }
        node::SnapshotError::Lease(error) => lease(error),
    }
}

fn disk_full(error: &node::SnapshotError) -> ApiError {
    ApiError::of(ErrorCode::DiskFull, error)
        .hint("free space under the storage root: thaw snapshot rm")
}
