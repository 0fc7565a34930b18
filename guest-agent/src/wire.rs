//! One stream of the connection: frames in, frames out.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, BytesMut};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use thaw_guest_protocol::{Frame, FrameDecoder, FrameError, FrameKind, encode, encode_json};
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use yamux::Stream;

/// How much is read from the stream at once.
const READ_BYTES: usize = 8 * 1024;

/// How soon a host that has gone is noticed while nothing of it is read.
const LOOK: Duration = Duration::from_millis(250);

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
    let stream = Shared(Arc::new(Mutex::new(stream)));
    let writer = stream.clone();
    let reader = WireReader {
        reader: stream,
        decoder: FrameDecoder::default(),
        chunk: vec![0; READ_BYTES].into_boxed_slice(),
    };
    let writer = WireWriter {
        writer,
        out: BytesMut::new(),
    };
    (reader, writer)
}

/// A stream that both directions hold. Unlike the halves that it could be split into, it tells whether the host is
/// still there.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Stream>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Stream> {
        // It is held for single polls only.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_close(cx)
    }
}

/// What the host sends.
#[derive(Debug)]
pub(crate) struct WireReader {
    reader: Shared,
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

impl WireReader {
    /// Ends when the host has gone, though what it sent before is not read. A stream tells that by itself to nobody
    /// but its reader behind everything else, so it is looked at now and then.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn gone(&self) {
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.reader.lock().is_closed() {
            looks.tick().await;
        }
    }
}

/// What the host is sent. It holds what the host has not taken yet; whoever adds to it looks at
/// [`has_room`](Self::has_room) first.
#[derive(Debug)]
pub(crate) struct WireWriter {
    writer: Shared,
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
