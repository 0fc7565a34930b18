//! Puts a function's code into the guest.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::{Buf as _, Bytes};
use thaw_guest_protocol::{FailureKind, FrameKind};
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{failure::OperationError, wire::WireReader};

/// Pieces of the archive that wait to be written; the host waits then.
const PIECES: usize = 4;

/// Unpacks the tar that the host sends into the code folder, which is made.
///
/// # Errors
/// When the archive is damaged, or the guest's disk is full.
pub(super) async fn unpack(folder: &str, input: &mut WireReader) -> Result<(), OperationError> {
    let (sender, pieces) = mpsc::channel(PIECES);
    let unpacking = spawn_blocking({
        let folder = PathBuf::from(folder);
        move || unpack_pieces(pieces, &folder)
    });
    loop {
        let frame = input.next_frame().await?;
        match frame.kind {
            // One that has failed takes no more; why is told below.
            FrameKind::Stdin => drop(sender.send(frame.payload).await),
            FrameKind::StdinEnd => break,
            _ => {}
        }
    }
    drop(sender);
    match unpacking.await {
        Ok(unpacked) => {
            unpacked.map_err(|error| OperationError::io("unpack the function's code", &error))
        }
        Err(error) => Err(OperationError::refused(
            FailureKind::System,
            format!("unpack the function's code: {error}"),
        )),
    }
}

fn unpack_pieces(pieces: mpsc::Receiver<Bytes>, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut archive = tar::Archive::new(Pieces {
        pieces,
        current: Bytes::new(),
    });
    archive.set_preserve_permissions(true);
    archive.unpack(folder)?;
    // What follows the end of a tar is of no interest, but must be taken.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

/// The pieces as one stream.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let bytes = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..bytes]);
        Ok(bytes)
    }
}
