//! Folders made, entries moved and removed.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
};
use thaw_guest_protocol::{FailureKind, Reply};

use super::{
    failure::{failed, refused},
    info::stat,
    replacement::Replacement,
};
use crate::failure::OperationError;

/// Makes a folder.
pub(super) fn make_directory(
    path: &Path,
    parents: bool,
    mode: Option<u32>,
) -> Result<Reply, OperationError> {
    let cannot = |error| failed("make", path, &error);
    if parents && fs::metadata(path).is_ok_and(|there| there.is_dir()) {
        return stat(path).map(Reply::File);
    }
    if parents && let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    fs::create_dir(path).map_err(cannot)?;
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(cannot)?;
    }
    stat(path).map(Reply::File)
}

/// Moves an entry. A file also across file systems; a folder is to be copied as an archive then.
pub(super) fn move_to(from: &Path, to: &Path, overwrite: bool) -> Result<Reply, OperationError> {
    let flags = if overwrite {
        RenameFlags::empty()
    } else {
        RenameFlags::RENAME_NOREPLACE
    };
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) {
        Ok(()) => {}
        Err(Errno::EXDEV) => move_across(from, to, overwrite)?,
        Err(errno) => {
            // What is missing or in the way may be either of the two.
            let attempt = format!("move {} to", from.display());
            return Err(failed(&attempt, to, &errno.into()));
        }
    }
    stat(to).map(Reply::File)
}

fn move_across(from: &Path, to: &Path, overwrite: bool) -> Result<(), OperationError> {
    let cannot = |error| failed(&format!("move {} to", from.display()), to, &error);
    let there = fs::symlink_metadata(from).map_err(cannot)?;
    if !there.is_file() {
        return Err(refused(
            FailureKind::System,
            from,
            "only a file can be moved to another file system; copy a folder as an archive",
        ));
    }
    if !overwrite && fs::symlink_metadata(to).is_ok() {
        return Err(refused(FailureKind::Exists, to, "it is there already"));
    }
    let copy = || -> io::Result<()> {
        let mut source = fs::File::open(from)?;
        let mut replacement = Replacement::beside(to)?;
        io::copy(&mut source, replacement.file())?;
        fchown(replacement.file(), Some(there.uid()), Some(there.gid()))?;
        replacement.file().set_modified(there.modified()?)?;
        replacement.put(to, there.mode() & 0o7777)?;
        fs::remove_file(from)
    };
    copy().map_err(cannot)
}

/// Removes an entry; a link and never what it leads to.
pub(super) fn remove(path: &Path, recursive: bool) -> Result<Reply, OperationError> {
    let cannot = |error| failed("remove", path, &error);
    let there = fs::symlink_metadata(path).map_err(cannot)?;
    if !there.is_dir() {
        fs::remove_file(path).map_err(cannot)?;
        return Ok(Reply::Done);
    }
    if fs::canonicalize(path).is_ok_and(|real| real == Path::new("/")) {
        return Err(refused(
            FailureKind::BadRequest,
            path,
            "the root folder can't be removed",
        ));
    }
    if recursive {
        fs::remove_dir_all(path).map_err(cannot)?;
    } else {
        fs::remove_dir(path).map_err(cannot)?;
    }
    Ok(Reply::Done)
}
