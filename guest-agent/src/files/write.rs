//! Writing a file.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use thaw_guest_protocol::{FailureKind, Reply};

use super::{
    failure::{cut_off, failed, refused},
    info::stat,
    pipe::Incoming,
    replacement::Replacement,
};
use crate::failure::OperationError;

/// A new file's permissions.
const NEW_FILE_MODE: u32 = 0o644;

/// How a file is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) mode: Option<u32>,
    pub(super) append: bool,
    pub(super) parents: bool,
}

/// Writes what comes from the host.
pub(super) fn write(
    path: &Path,
    how: How,
    mut incoming: Incoming,
) -> Result<Reply, OperationError> {
    let cannot = |error| failed("write", path, &error);
    if how.parents
        && let Some(folder) = path.parent()
    {
        fs::create_dir_all(folder).map_err(|error| failed("make", folder, &error))?;
    }
    let (place, there) = place(path)?;
    if how.append {
        append(&place, how.mode, &mut incoming)
    } else {
        replace(&place, how.mode, there.as_ref(), &mut incoming)
    }
    .map_err(|error| {
        if incoming.is_cut() {
            cut_off()
        } else {
            cannot(error)
        }
    })?;
    stat(&place).map(Reply::File)
}

/// Where a path leads, and what is there. A path that names no file is refused.
fn place(path: &Path) -> Result<(PathBuf, Option<Metadata>), OperationError> {
    let cannot = |error| failed("write", path, &error);
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(refused(
            FailureKind::IsADirectory,
            path,
            "it names a folder",
        ));
    }
    let (place, there) = match fs::canonicalize(path) {
        Ok(place) => {
            let there = fs::metadata(&place).map_err(cannot)?;
            (place, Some(there))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                return Err(refused(
                    FailureKind::NotFound,
                    path,
                    "the link leads nowhere",
                ));
            }
            (path.to_owned(), None)
        }
        Err(error) => return Err(cannot(error)),
    };
    match &there {
        Some(there) if there.is_dir() => {
            Err(refused(FailureKind::IsADirectory, path, "it is a folder"))
        }
        Some(there) if !there.is_file() => {
            Err(refused(FailureKind::NotAFile, path, "it is no file"))
        }
        _ => Ok((place, there)),
    }
}

fn replace(
    place: &Path,
    mode: Option<u32>,
    there: Option<&Metadata>,
    incoming: &mut Incoming,
) -> io::Result<()> {
    let mut replacement = Replacement::beside(place)?;
    while let Some(piece) = incoming.next_piece()? {
        replacement.file().write_all(&piece)?;
    }
    if let Some(there) = there {
        fchown(replacement.file(), Some(there.uid()), Some(there.gid()))?;
    }
    let kept = there.map(|there| there.mode() & 0o7777);
    replacement.put(place, mode.or(kept).unwrap_or(NEW_FILE_MODE))
}

fn append(place: &Path, mode: Option<u32>, incoming: &mut Incoming) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(NEW_FILE_MODE)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(place)?;
    let before = file.metadata()?.len();
    let mut added = 0;
    let written = add_all(&mut file, incoming, &mut added);
    if written.is_err() && file.metadata().is_ok_and(|now| now.len() == before + added) {
        // Nobody else has written meanwhile: the part that came is taken back.
        file.set_len(before)?;
    }
    written?;
    match mode {
        Some(mode) => file.set_permissions(fs::Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

fn add_all(file: &mut File, incoming: &mut Incoming, added: &mut u64) -> io::Result<()> {
    while let Some(piece) = incoming.next_piece()? {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let written = file.write(rest)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            *added += written as u64;
            rest = &rest[written..];
        }
    }
    Ok(())
}
