//! Makes a running machine's disk larger: the device, then the file system on it.

use std::{io, time::Duration};

use thaw_vmm::{
    ControlError, GuestError, Machine,
    protocol::{Opening, Request},
};
use thiserror::Error;
use tokio::time::timeout;

/// How long a guest may take to take up its new room, under emulation on a busy host.
const WITHIN: Duration = Duration::from_secs(30);

/// A disk that did not grow.
#[derive(Debug, Error)]
pub(crate) enum GrowError {
    #[error("could not learn the size of the disk")]
    Size(#[source] io::Error),
    #[error("the VMM did not make the disk larger")]
    Control(#[from] ControlError),
    #[error("the guest did not take up the disk's new room")]
    Guest(#[from] GuestError),
    #[error("the guest did not take up the disk's new room within {WITHIN:?}")]
    NoAnswer,
}

/// Grows the scratch disk of a machine that runs. One that is as large is left as it is.
///
/// # Cancel safety
/// The disk may have grown, and its file system not.
pub(crate) async fn grow_disk(machine: &dyn Machine, bytes: u64) -> Result<(), GrowError> {
    let disk = machine.scratch().map_err(GrowError::Size)?;
    if disk.metadata().map_err(GrowError::Size)?.len() >= bytes {
        return Ok(());
    }
    machine.grow_disk(bytes).await?;
    let opening = Opening {
        wake: None,
        request: Request::GrowDisk { bytes },
    };
    timeout(WITHIN, machine.guest().call(&opening))
        .await
        .map_err(|_| GrowError::NoAnswer)??;
    Ok(())
}
