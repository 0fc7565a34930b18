//! The operations on files, between the stream and the threads.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use thaw_guest_protocol::{
    FailureKind, FileOperation, FrameKind, GuestPath, MAX_PATH_BYTES, Reply,
};
use tokio::task::{JoinError, spawn_blocking};

use super::{
    info::stat,
    list::list,
    pack::pack,
    pipe::{Arrival, Departure, Incoming, Outgoing},
    read::{Part, read},
    tree::{make_directory, move_to, remove},
    unpack::unpack,
    write::{How, write},
};
use crate::{
    failure::OperationError,
    wire::{WireReader, WireWriter},
};

/// Does one operation; its reply is sent as the last frame.
///
/// # Errors
/// See [`OperationError`].
pub(crate) async fn files(
    operation: FileOperation,
    mut input: WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let input = &mut input;
    let reply = match operation {
        FileOperation::Stat { path } => {
            let path = checked(path)?;
            alone(move || stat(&path).map(Reply::File)).await?
        }
        FileOperation::List { path, after, limit } => {
            let path = checked(path)?;
            let after = after.map(|name| name.0);
            send(input, output, move |out| list(&path, after, limit, out)).await?
        }
        FileOperation::Read {
            path,
            offset_bytes,
            length_bytes,
            last_bytes,
        } => {
            let path = checked(path)?;
            let part = match last_bytes {
                Some(last) => Part::Last(last),
                None => Part::From(offset_bytes, length_bytes),
            };
            send(input, output, move |out| read(&path, part, out)).await?
        }
        FileOperation::Write {
            path,
            mode,
            append,
            parents,
        } => {
            let path = checked(path)?;
            let how = How {
                mode,
                append,
                parents,
            };
            receive(input, move |incoming| write(&path, how, incoming)).await?
        }
        FileOperation::MakeDirectory {
            path,
            parents,
            mode,
        } => {
            let path = checked(path)?;
            alone(move || make_directory(&path, parents, mode)).await?
        }
        FileOperation::Move {
            from,
            to,
            overwrite,
        } => {
            let (from, to) = (checked(from)?, checked(to)?);
            alone(move || move_to(&from, &to, overwrite)).await?
        }
        FileOperation::Remove { path, recursive } => {
            let path = checked(path)?;
            alone(move || remove(&path, recursive)).await?
        }
        FileOperation::Pack { path } => {
            let path = checked(path)?;
            send(input, output, move |out| pack(&path, out)).await?
        }
        FileOperation::Unpack { path } => {
            let path = checked(path)?;
            receive(input, move |incoming| unpack(&path, incoming)).await?
        }
    };
    Ok(output.finish(FrameKind::Reply, &reply).await?)
}

/// A path that can be handed to the system.
fn checked(path: GuestPath) -> Result<PathBuf, OperationError> {
    let bad = |kind, why: &str| Err(OperationError::refused(kind, why));
    let GuestPath(bytes) = path;
    if bytes.first() != Some(&b'/') {
        return bad(FailureKind::BadRequest, "a path must be absolute");
    }
    if bytes.contains(&0) {
        return bad(FailureKind::BadRequest, "a path contains a NUL byte");
    }
    if bytes.len() > MAX_PATH_BYTES {
        return bad(
            FailureKind::NameTooLong,
            "a path is longer than the system takes",
        );
    }
    Ok(Path::new(&OsString::from_vec(bytes)).to_owned())
}

/// Work without data. A host that leaves does not stop it.
async fn alone(
    work: impl FnOnce() -> Result<Reply, OperationError> + Send + 'static,
) -> Result<Reply, OperationError> {
    spawn_blocking(work).await.map_err(lost)?
}

/// Work on what the host sends.
async fn receive(
    input: &mut WireReader,
    work: impl FnOnce(Incoming) -> Result<Reply, OperationError> + Send + 'static,
) -> Result<Reply, OperationError> {
    let (arrivals, incoming) = Incoming::new();
    let mut work = spawn_blocking(move || work(incoming));
    let feed = async move {
        // A host that leaves ends this, and with it, unended, what the work reads.
        while let Ok(frame) = input.next_frame().await {
            let arrival = match frame.kind {
                FrameKind::Data => Arrival::Data(frame.payload),
                FrameKind::DataEnd => Arrival::End,
                // Kinds that do not belong here; a later version may know better.
                _ => continue,
            };
            let ended = matches!(arrival, Arrival::End);
            if arrivals.send(arrival).await.is_err() || ended {
                break;
            }
        }
    };
    tokio::select! {
        biased;
        done = &mut work => return done.map_err(lost)?,
        () = feed => {}
    }
    work.await.map_err(lost)?
}

/// Work that sends something to the host.
async fn send(
    input: &mut WireReader,
    output: &mut WireWriter,
    work: impl FnOnce(Outgoing) -> Result<Reply, OperationError> + Send + 'static,
) -> Result<Reply, OperationError> {
    let (outgoing, mut departures) = Outgoing::new();
    let work = spawn_blocking(move || work(outgoing));
    loop {
        let room = output.has_room();
        tokio::select! {
            biased;
            sent = output.drain(), if output.is_pending() => sent?,
            departure = departures.recv(), if room => match departure {
                Some(Departure::Begun(reply)) => output.json(FrameKind::Begun, &reply)?,
                Some(Departure::Data(piece)) => output.data(FrameKind::Data, &piece)?,
                None => break,
            },
            // The host has nothing to say here; this is how its leaving is seen.
            frame = input.next_frame() => drop(frame?),
        }
    }
    work.await.map_err(lost)?
}

/// The pool's thread panicked, or the runtime ends.
fn lost(error: JoinError) -> OperationError {
    OperationError::refused(FailureKind::System, format!("the work was lost: {error}"))
}
