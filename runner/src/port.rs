//! A connection to a port inside a VM, as a stream of bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use thaw_pool_manager::{ExecError, GuestStream, InsideRequest, StreamEvent, StreamInput};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, mpsc},
};
use tokio_util::sync::PollSender;

use crate::{Runner, VmError, VmPass};

/// The largest piece that is handed over at once, in bytes.
const PIECE_BYTES: usize = 32 * 1024;

/// A connection to a port inside a VM. Shutting it down ends our half; dropping it closes the connection. The VM is
/// not paused for idleness as long as it is there.
#[derive(Debug)]
pub struct VmPort {
    input: PollSender<StreamInput>,
    /// We have ended our half.
    ended: bool,
    output: mpsc::Receiver<Result<StreamEvent, ExecError>>,
    /// What came and is not read yet.
    piece: Bytes,
    /// The port has ended its half.
    finished: bool,
    _pass: VmPass,
    _permit: OwnedSemaphorePermit,
}

impl Runner {
    /// Connects to a port inside a VM.
    ///
    /// # Errors
    /// See [`VmError`]; where nothing listens, [`ExecError::Refused`] of the kind `ConnectionRefused`.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing stays connected.
    pub async fn vm_dial(&self, id_or_name: &str, port: u16) -> Result<VmPort, VmError> {
        let dialled = self.vm_inside(id_or_name, InsideRequest::Dial { port });
        let (mut stream, pass, permit) = dialled.await?.into_parts();
        match stream.output.recv().await {
            Some(Ok(StreamEvent::Begun(_))) => Ok(VmPort::new(stream, pass, permit)),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Err(ExecError::Lost(
                "it said neither that a port is connected nor that it is not".to_owned(),
            )
            .into()),
        }
    }
}

impl VmPort {
    fn new(stream: GuestStream, pass: VmPass, permit: OwnedSemaphorePermit) -> Self {
        Self {
            input: PollSender::new(stream.input),
            ended: false,
            output: stream.output,
            piece: Bytes::new(),
            finished: false,
            _pass: pass,
            _permit: permit,
        }
    }

    /// Waits for room, then hands one piece over.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        piece: impl FnOnce() -> StreamInput,
    ) -> Poll<io::Result<()>> {
        // Who took it is gone: the connection is closed.
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.input.poll_reserve(cx)).map_err(gone)?;
        Poll::Ready(self.input.send_item(piece()).map_err(gone))
    }
}

impl AsyncRead for VmPort {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.piece.is_empty() && !self.finished {
            match ready!(self.output.poll_recv(cx)) {
                Some(Ok(StreamEvent::Data(bytes))) => self.piece = bytes,
                Some(Ok(StreamEvent::End | StreamEvent::Done(_))) => self.finished = true,
                Some(Ok(StreamEvent::Begun(_))) => {}
                Some(Err(error)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, error)));
                }
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        let taken = self.piece.len().min(into.remaining());
        into.put_slice(&self.piece[..taken]);
        self.piece.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for VmPort {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let data = || StreamInput::Data(Bytes::copy_from_slice(piece));
        ready!(self.poll_send(cx, data))?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            ready!(self.poll_send(cx, || StreamInput::End))?;
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}
