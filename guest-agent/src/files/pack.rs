//! A folder as a tar archive.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use tar::{Builder, Header};
use thaw_guest_protocol::Reply;

use super::{failure::failed, info::stat, pipe::Outgoing};
use crate::failure::OperationError;

/// Sends the archive of a folder's entries, or of one file.
pub(super) fn pack(path: &Path, out: Outgoing) -> Result<Reply, OperationError> {
    let cannot = |error| failed("pack", path, &error);
    let info = stat(path)?;
    let top = fs::metadata(path).map_err(cannot)?;
    out.begin(Reply::File(info)).map_err(cannot)?;
    let mut archive = Builder::new(out);
    if top.is_dir() {
        entries(&mut archive, path, top.dev()).map_err(cannot)?;
    } else {
        let name = path.file_name().unwrap_or_default();
        add(&mut archive, path, Path::new(name), &top).map_err(cannot)?;
    }
    let mut out = archive.into_inner().map_err(cannot)?;
    out.flush().map_err(cannot)?;
    Ok(Reply::Done)
}

/// Adds everything below a folder, parents before their children. What vanishes meanwhile is left out.
fn entries(archive: &mut Builder<Outgoing>, top: &Path, device: u64) -> io::Result<()> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(top.join(&folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let name = folder.join(entry?.file_name());
            let path = top.join(&name);
            let metadata = match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            add(archive, &path, &name, &metadata)?;
            // Only folders tell a mounted file system: overlayfs has devices of its own for files.
            if metadata.is_dir() && metadata.dev() == device {
                folders.push(name);
            }
        }
    }
    Ok(())
}

fn add(
    archive: &mut Builder<Outgoing>,
    path: &Path,
    name: &Path,
    metadata: &Metadata,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    if metadata.is_file() {
        return match open(path) {
            Ok((file, metadata)) => {
                header.set_metadata(&metadata);
                archive.append_data(&mut header, name, Exact::new(file, metadata.len()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
    }
    header.set_metadata(metadata);
    if metadata.is_symlink() {
        return match fs::read_link(path) {
            Ok(target) => archive.append_link(&mut header, name, target),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
    }
    // An archive can't hold a socket.
    if metadata.file_type().is_socket() {
        return Ok(());
    }
    archive.append_data(&mut header, name, io::empty())
}

/// Never waits for somebody at the other end, should the file have become a pipe.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// As many bytes as the header promises, whatever the file does meanwhile: what is missing is zeroes.
struct Exact {
    file: File,
    left: u64,
    ended: bool,
}

impl Exact {
    fn new(file: File, length: u64) -> Self {
        Self {
            file,
            left: length,
            ended: false,
        }
    }
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let mut got = 0;
        if !self.ended {
            got = self.file.read(&mut buffer[..most])?;
            self.ended = got == 0;
        }
        if self.ended {
            buffer[..most].fill(0);
            got = most;
        }
        self.left -= got as u64;
        Ok(got)
    }
}
