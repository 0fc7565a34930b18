//! An operation that carries data of its own: a file, an archive, a connection.

use bytes::Bytes;
use thaw_guest_protocol::{DATA_CHUNK_BYTES, FrameKind, Reply, encode};

use super::{GuestError, RunInput, RunOutput};

/// One piece of what an operation sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// It can be done; what follows is described.
    Begun(Reply),
    /// Bytes.
    Data(Bytes),
    /// No more bytes; the operation goes on.
    DataEnd,
    /// The end; nothing follows.
    Done(Reply),
}

impl RunInput {
    /// Sends bytes of a file, an archive or a connection; waits while the guest takes no more.
    ///
    /// # Errors
    /// [`GuestError::Disconnected`], also when the operation has ended: its output says how.
    ///
    /// # Cancel safety
    /// Not cancel safe: part of the bytes may have been sent.
    pub async fn data(&mut self, bytes: &[u8]) -> Result<(), GuestError> {
        for chunk in bytes.chunks(DATA_CHUNK_BYTES) {
            encode(FrameKind::Data, chunk, &mut self.buffer)?;
            self.send().await?;
        }
        Ok(())
    }

    /// Says that all bytes were sent.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub async fn end_data(&mut self) -> Result<(), GuestError> {
        encode(FrameKind::DataEnd, &[], &mut self.buffer)?;
        self.send().await
    }
}

impl RunOutput {
    /// The next piece. After [`Piece::Done`] there is none.
    ///
    /// # Errors
    /// See [`GuestError`]; [`GuestError::Failed`] when it could not be done.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next_piece(&mut self) -> Result<Piece, GuestError> {
        let frame = self.next_frame().await?;
        match frame.kind {
            FrameKind::Data => Ok(Piece::Data(frame.payload)),
            FrameKind::DataEnd => Ok(Piece::DataEnd),
            FrameKind::Begun => Ok(Piece::Begun(frame.json()?)),
            FrameKind::Reply => Ok(Piece::Done(frame.json()?)),
            FrameKind::Failed => Err(GuestError::Failed(frame.json()?)),
            other => Err(GuestError::Unexpected(other)),
        }
    }
}
