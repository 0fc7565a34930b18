//! Scratch disks: sparse files that hold what a machine writes.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::Path,
    process::Stdio,
};

use nix::unistd::{Whence, lseek};
use thiserror::Error;

use crate::tools;

/// A scratch disk that could not be made.
#[derive(Debug, Error)]
pub enum DiskError {
    /// The file refused.
    #[error("could not {what} the scratch disk")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program that formats it is not there.
    #[error("mke2fs is missing; install it: apt-get install e2fsprogs")]
    NoMkfs,
    /// It failed.
    #[error("mke2fs failed: {0}")]
    Mkfs(String),
}

/// Makes scratch disks.
#[derive(Debug, Clone, Copy)]
pub struct ScratchDisk;

impl ScratchDisk {
    /// An unnamed sparse file of `size_bytes` in `folder`; it is gone with its last descriptor.
    ///
    /// # Errors
    /// [`DiskError::Io`], for example when the disk is full.
    pub fn unnamed(folder: &Path, size_bytes: u64) -> Result<File, DiskError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE)
            .open(folder)
            .map_err(|source| DiskError::Io {
                what: "create",
                source,
            })?;
        file.set_len(size_bytes).map_err(|source| DiskError::Io {
            what: "size",
            source,
        })?;
        Ok(file)
    }

    /// An unnamed scratch disk with an empty ext4 in it.
    ///
    /// # Errors
    /// See [`DiskError`].
    pub async fn blank(folder: &Path, size_bytes: u64) -> Result<File, DiskError> {
        let file = Self::unnamed(folder, size_bytes)?;
        format_ext4(&file).await?;
        Ok(file)
    }
}

/// A journal of 16 MiB: enough for the scratch of one machine. The file is known to be zeroes, so none are
/// written, and no guest initialises tables in the background.
const MKE2FS_OPTIONS: [&str; 12] = [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-m",
    "0",
    "-J",
    "size=16",
    "-E",
    "assume_storage_prezeroed=1,nodiscard",
    "-L",
    "thaw-scratch",
];

#[expect(
    clippy::disallowed_methods,
    reason = "this function owns the mke2fs process from start to end"
)]
async fn format_ext4(file: &File) -> Result<(), DiskError> {
    let mke2fs = tools::find("mke2fs").ok_or(DiskError::NoMkfs)?;
    let output = tokio::process::Command::new(mke2fs)
        .args(MKE2FS_OPTIONS)
        .arg(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            file.as_raw_fd()
        ))
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| DiskError::Io {
            what: "format",
            source,
        })?;
    if output.status.success() {
        Ok(())
    } else {
        Err(DiskError::Mkfs(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}

/// Copies what is allocated in `from` into `to`, which must be empty or sparse there; returns the
/// bytes copied. The file's own length is not changed.
///
/// # Errors
/// When a file can't be read or written.
pub fn copy_extents(from: &File, to: &File) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut copied = 0;
    let mut position = 0;
    loop {
        let start = match lseek(from, position, Whence::SeekData) {
            Ok(start) => start,
            // No data behind this position.
            Err(nix::errno::Errno::ENXIO) => return Ok(copied),
            Err(errno) => return Err(errno.into()),
        };
        let end = lseek(from, start, Whence::SeekHole)?;
        let mut offset = start;
        while offset < end {
            let length =
                usize::try_from(end - offset).map_or(buffer.len(), |left| left.min(buffer.len()));
            from.read_exact_at(&mut buffer[..length], offset as u64)?;
            to.write_all_at(&buffer[..length], offset as u64)?;
            offset += length as i64;
            copied += length as u64;
        }
        position = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[tokio::test]
    async fn a_blank_disk_is_ext4_and_takes_little_room() {
        let folder = tempfile::tempdir().unwrap();
        let disk = ScratchDisk::blank(folder.path(), 4 << 30).await.unwrap();
        let mut magic = [0; 2];
        disk.read_exact_at(&mut magic, 1080).unwrap();
        assert_eq!(magic, [0x53, 0xef]);
        assert!(disk.metadata().unwrap().blocks() * 512 < 4 << 20);
    }

    #[test]
    fn only_allocated_extents_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        let from = ScratchDisk::unnamed(folder.path(), 64 << 20).unwrap();
        from.write_all_at(b"begin", 0).unwrap();
        from.write_all_at(b"middle", 32 << 20).unwrap();
        let to = ScratchDisk::unnamed(folder.path(), 64 << 20).unwrap();
        let copied = copy_extents(&from, &to).unwrap();
        assert!(copied <= 2 << 16, "{copied}");
        let mut middle = [0; 6];
        to.read_exact_at(&mut middle, 32 << 20).unwrap();
        assert_eq!(&middle, b"middle");
    }
}
