//! Taking up what the host has added to the disk.

use std::{
    fs::{self, File},
    io,
    os::fd::AsFd as _,
    sync::{Arc, OnceLock},
    time::Duration,
};

use nix::sys::statvfs::fstatvfs;
use thaw_guest_protocol::{FailureKind, SCRATCH_DEVICE};
use tokio::{task::spawn_blocking, time::timeout};

use super::{sys::resize, sysfs};
use crate::{failure::OperationError, transport::Uevents};

/// How long the driver may take to hear of the disk's new size, under emulation on a busy host.
const NEWS: Duration = Duration::from_secs(10);

/// What sysfs counts in, whatever the device (Documentation/ABI/stable/sysfs-block).
const SECTOR_BYTES: u64 = 512;

/// The scratch disk's file system, once it is mounted. It lies below the root, where no path leads.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    inside: OnceLock<Arc<File>>,
}

impl Scratch {
    /// Takes note of where it is mounted, the first time that it is told.
    pub(crate) fn mounted(&self, inside: File) {
        let _ = self.inside.set(Arc::new(inside));
    }

    /// Waits until the disk has at least `bytes`, and lets its file system have all of them.
    ///
    /// # Errors
    /// Where there is no such disk, or it does not become that large within 10 s, or its file system cannot.
    pub(crate) async fn grow(&self, bytes: u64) -> Result<(), OperationError> {
        let Some(inside) = self.inside.get().cloned() else {
            let why = "this agent has no scratch disk".to_owned();
            return Err(OperationError::refused(FailureKind::BadRequest, why));
        };
        let grown = timeout(NEWS, at_least(bytes)).await.map_err(|_| {
            let why = format!("the disk did not reach {bytes} bytes within {NEWS:?}");
            OperationError::refused(FailureKind::System, why)
        })?;
        grown.map_err(failed("look at the disk's size"))?;
        spawn_blocking(move || take_up(&inside, bytes))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(failed("let the file system grow"))
    }
}

fn failed(attempt: &'static str) -> impl Fn(io::Error) -> OperationError {
    move |error| {
        let why = format!("could not {attempt}: {error}");
        OperationError::refused(FailureKind::System, why)
    }
}

/// The kernel announces a new size when it has taken it over.
async fn at_least(bytes: u64) -> io::Result<()> {
    let uevents = Uevents::listen()?;
    while disk_bytes()? < bytes {
        uevents.next().await?;
    }
    Ok(())
}

fn disk_bytes() -> io::Result<u64> {
    let sectors: u64 = fs::read_to_string(sysfs(SCRATCH_DEVICE) + "/size")?
        .trim()
        .parse()
        .map_err(io::Error::other)?;
    Ok(sectors * SECTOR_BYTES)
}

fn take_up(inside: &File, bytes: u64) -> io::Result<()> {
    let block_bytes = fstatvfs(inside)?.fragment_size();
    Ok(resize(inside.as_fd(), bytes / block_bytes)?)
}
