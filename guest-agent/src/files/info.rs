//! What is known of a file.

use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::Path,
};

use thaw_guest_protocol::{FileInfo, FileKind, GuestPath};

use super::failure::failed;
use crate::failure::OperationError;

/// Looks at an entry; a link itself.
pub(super) fn stat(path: &Path) -> Result<FileInfo, OperationError> {
    let metadata = fs::symlink_metadata(path).map_err(|error| failed("look at", path, &error))?;
    let name = path.file_name().unwrap_or(OsStr::new("/"));
    Ok(describe(name, path, &metadata))
}

/// Says what an entry is. A link that vanishes meanwhile has no target.
pub(super) fn describe(name: &OsStr, path: &Path, metadata: &Metadata) -> FileInfo {
    let kind = kind(metadata);
    let target = (kind == FileKind::Symlink)
        .then(|| fs::read_link(path).ok())
        .flatten()
        .map(|target| GuestPath(target.into_os_string().into_vec()));
    FileInfo {
        name: GuestPath(name.as_bytes().to_vec()),
        kind,
        size_bytes: metadata.len(),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        modified_ns: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        target,
    }
}

fn kind(metadata: &Metadata) -> FileKind {
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => FileKind::File,
        () if kind.is_dir() => FileKind::Directory,
        () if kind.is_symlink() => FileKind::Symlink,
        () if kind.is_fifo() => FileKind::Fifo,
        () if kind.is_socket() => FileKind::Socket,
        () if kind.is_char_device() => FileKind::CharDevice,
        () if kind.is_block_device() => FileKind::BlockDevice,
        () => FileKind::Unknown,
    }
}
