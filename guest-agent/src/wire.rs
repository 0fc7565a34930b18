//! One stream of the connection: frames in, frames out.

use std::io;

use bytes::{Buf as _, BytesMut};
use futures::{
    AsyncReadExt as _, AsyncWriteExt as _,
    io::{ReadHalf, WriteHalf},
};
use thaw_guest_protocol::{Frame, FrameDecoder, FrameError, FrameKind, encode, encode_json};
use thiserror::Error;
use yamux::Stream;

/// How much is read from the stream at once.
const READ_BYTES: usize = 8 * 1024;

/// The host went away, or does not keep to the protocol; either way there is nobody to answer.
#[derive(Debug, Error)]
pub(crate) enum WireError {
    /// The stream or the connection was closed.
    #[error("the host closed the stream")]
    Closed,
    /// The connection broke.
    #[error("the stream broke")]
    Io(#[from] io::Error),
    /// The host sent something that is no frame.
    #[error("the host sent a malformed frame")]
    Frame(#[from] FrameError),
}

/// Cuts a stream in its two directions.
pub(crate) fn split(stream: Stream) -> (WireReader, WireWriter) {
    let (reader, writer) = stream.split();
    let reader = WireReader {
        reader,
        decoder: FrameDecoder::default(),
        chunk: vec![0; READ_BYTES].into_boxed_slice(),
    };
    let writer = WireWriter {
        writer,
        out: BytesMut::new(),
    };
    (reader, writer)
}

/// What the host sends.
#[derive(Debug)]
pub(crate) struct WireReader {
    reader: ReadHalf<Stream>,
    decoder: FrameDecoder,
    chunk: Box<[u8]>,
}

impl WireReader {
    /// Waits for the next frame.
    ///
    /// # Errors
    /// [`WireError::Closed`] when none will come.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn next_frame(&mut self) -> Result<Frame, WireError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(frame);
            }
            match self.reader.read(&mut self.chunk).await? {
                0 => return Err(WireError::Closed),
                read => self.decoder.push(&self.chunk[..read]),
            }
        }
    }
}

/// What the host is sent. It holds what the host has not taken yet; whoever adds to it looks at
/// [`has_room`](Self::has_room) first.
#[derive(Debug)]
pub(crate) struct WireWriter {
    writer: WriteHalf<Stream>,
    out: BytesMut,
}

impl WireWriter {
    /// How much may wait before a program's output is no longer read.
    const ROOM_BYTES: usize = 64 * 1024;

    /// Whether more output may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.out.len() < Self::ROOM_BYTES
    }

    /// Whether something waits to be sent.
    pub(crate) fn is_pending(&self) -> bool {
        !self.out.is_empty()
    }

    /// Adds a frame of raw bytes.
    ///
    /// # Errors
    /// See [`encode`].
    pub(crate) fn data(&mut self, kind: FrameKind, payload: &[u8]) -> Result<(), WireError> {
        Ok(encode(kind, payload, &mut self.out)?)
    }

    /// Adds a frame of JSON.
    ///
    /// # Errors
    /// See [`encode_json`].
    pub(crate) fn json<T: serde::Serialize>(
        &mut self,
        kind: FrameKind,
        message: &T,
    ) -> Result<(), WireError> {
        Ok(encode_json(kind, message, &mut self.out)?)
    }

    /// Hands everything that waits to the connection.
    ///
    /// # Errors
    /// [`WireError::Io`] when the host has closed the stream.
    ///
    /// # Cancel safety
    /// Nothing is lost or sent twice.
    pub(crate) async fn drain(&mut self) -> Result<(), WireError> {
        while !self.out.is_empty() {
            let sent = self.writer.write(&self.out).await?;
            self.out.advance(sent);
        }
        Ok(())
    }

    /// Sends the last frame and closes the stream.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub(crate) async fn finish<T: serde::Serialize>(
        &mut self,
        kind: FrameKind,
        message: &T,
    ) -> Result<(), WireError> {
        self.json(kind, message)?;
        self.drain().await?;
        Ok(self.writer.close().await?)
    }
}
