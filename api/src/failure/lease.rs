//! Clones that could not be handed out, and templates that could not be made.

use std::{error::Error, io};

use thaw_api_types::ErrorCode;
use thaw_runner::node::{BakeError, LeaseError};

use super::image;
use crate::error::{ApiError, chain};

/// What a daemon lacks that may not look into its VMMs.
pub(super) const TRACE_HINT: &str =
    "give the daemon CAP_SYS_PTRACE: run it as root, or in a container with --cap-add SYS_PTRACE";

pub(crate) fn lease(error: &LeaseError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        LeaseError::UnknownImage { name, .. } => of(ErrorCode::ImageNotFound).hint(format!(
            "add it: `thaw image add registry:{name}`, `docker:{name}`, or a file; `thaw image ls` lists what is there"
        )),
        LeaseError::Image { name, source } => {
            let cause = image::add(source);
            let detail = cause.body().error;
            let answer = ApiError::new(
                cause.code(),
                format!("could not make image {name:?}: {}", detail.message),
            );
            match detail.hint {
                Some(hint) => answer.hint(hint),
                None => answer,
            }
        }
        LeaseError::UnknownTemplate(_) => {
            of(ErrorCode::TemplateNotFound).hint("`thaw template ls` lists what is there")
        }
        LeaseError::UnknownSnapshot(_) => {
            of(ErrorCode::SnapshotNotFound).hint("`thaw snapshot ls` lists what is there")
        }
        LeaseError::BadSnapshot { snapshot, .. } => of(ErrorCode::SnapshotUnusable)
            .hint(format!("remove it: thaw snapshot rm {snapshot}")),
        LeaseError::NotPermitted(_) => of(ErrorCode::SnapshotsNotPermitted).hint(TRACE_HINT),
        LeaseError::Restore(_) if is_disk_full(error) => {
            of(ErrorCode::DiskFull).hint("free space under the storage root: thaw snapshot rm")
        }
        LeaseError::Restore(_) => of(ErrorCode::RestoresFailing),
        LeaseError::BadShape(_) => of(ErrorCode::InvalidRequest),
        LeaseError::Bake(error) => bake(error),
        LeaseError::BadTemplate { template, .. } => of(ErrorCode::TemplateUnusable)
            .hint(format!("remove it, the next use bakes it anew: thaw template rm {template}")),
        LeaseError::Full { retry_after, .. } => of(ErrorCode::PoolFull)
            .hint("try again later, or give the pool more: thaw pool set")
            .retry_after(*retry_after),
        LeaseError::TimedOut(_) => {
            of(ErrorCode::StartTimeout).hint("try again, or allow more with start_timeout_ms")
        }
        LeaseError::BackingOff { retry_after, .. } => {
            of(ErrorCode::RestoresFailing).retry_after(*retry_after)
        }
        LeaseError::NodeFull { .. } | LeaseError::NoMemory(_) => {
            of(ErrorCode::NodeFull).hint("delete VMs, or lower the bounds of pools: thaw pool set")
        }
        LeaseError::ShuttingDown => of(ErrorCode::ShuttingDown),
    }
}

fn bake(error: &BakeError) -> ApiError {
    let message = format!("could not bake the template: {}", chain(error));
    if is_disk_full(error) || matches!(error, BakeError::DiskFull { .. }) {
        return ApiError::new(ErrorCode::DiskFull, message)
            .hint("free space under the storage root: thaw template rm, thaw image rm");
    }
    ApiError::new(ErrorCode::BakeFailed, message).hint("`thaw doctor` says what the host lacks")
}

/// Whether a full disk is at the bottom of it, whatever lies above.
pub(super) fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(current) = next {
        let kind = current.downcast_ref::<io::Error>().map(io::Error::kind);
        let database = current.downcast_ref::<rusqlite::Error>();
        let database = database.and_then(rusqlite::Error::sqlite_error_code);
        if matches!(
            kind,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        ) || database == Some(rusqlite::ErrorCode::DiskFull)
        {
            return true;
        }
        next = current.source();
    }
    false
}
