//! Reading a file, or a part of it.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use thaw_guest_protocol::{DATA_CHUNK_BYTES, FailureKind, FileKind, Reply};

use super::{
    failure::{failed, refused},
    info::describe,
    pipe::Outgoing,
};
use crate::failure::OperationError;

/// Which part of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// From an offset, and how much of it; all that follows when it does not say.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

/// Sends a part of a file.
pub(super) fn read(path: &Path, part: Part, out: Outgoing) -> Result<Reply, OperationError> {
    let cannot = |error| failed("read", path, &error);
    let (mut file, info) = open(path)?;
    // Files of /proc and the like say that they are empty; they are read to their end.
    let sized = info.size_bytes > 0;
    let size = info.size_bytes;
    let (offset, length) = match part {
        Part::From(offset, _) if sized && offset > size => {
            return Err(refused(
                FailureKind::OutOfRange,
                path,
                &format!("it has {size} bytes, offset {offset} lies beyond"),
            ));
        }
        Part::From(offset, length) => (offset, length.unwrap_or(u64::MAX)),
        Part::Last(length) => (size.saturating_sub(length), length),
    };
    let promised = sized.then(|| length.min(size - offset));
    file.seek(SeekFrom::Start(offset)).map_err(cannot)?;
    out.begin(Reply::Content {
        info,
        offset_bytes: offset,
        length_bytes: promised,
    })
    .map_err(cannot)?;
    let sent = copy(&mut file, promised.unwrap_or(length), &out).map_err(cannot)?;
    match promised {
        Some(promised) if sent < promised => Err(refused(
            FailureKind::CutOff,
            path,
            "it became shorter while it was read",
        )),
        _ => Ok(Reply::Done),
    }
}

/// Opens a file that has content. Opening never waits for somebody at the other end, as that of a pipe would.
fn open(path: &Path) -> Result<(File, thaw_guest_protocol::FileInfo), OperationError> {
    let cannot = |error| failed("read", path, &error);
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    let name = path.file_name().unwrap_or_default();
    let info = describe(name, path, &metadata);
    match info.kind {
        FileKind::File => Ok((file, info)),
        FileKind::Directory => Err(refused(
            FailureKind::IsADirectory,
            path,
            "it is a folder; read it as an archive",
        )),
        _ => Err(refused(FailureKind::NotAFile, path, "it is no file")),
    }
}

fn copy(file: &mut File, most: u64, out: &Outgoing) -> std::io::Result<u64> {
    let mut sent = 0;
    loop {
        let room = (most - sent).min(DATA_CHUNK_BYTES as u64) as usize;
        if room == 0 {
            return Ok(sent);
        }
        let mut piece = vec![0; room];
        let got = file.read(&mut piece)?;
        if got == 0 {
            return Ok(sent);
        }
        piece.truncate(got);
        sent += got as u64;
        out.send_piece(piece)?;
    }
}
