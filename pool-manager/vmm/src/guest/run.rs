//! One running program: its input and its output.

use bytes::{Bytes, BytesMut};
use futures::{
    AsyncReadExt as _, AsyncWriteExt as _,
    io::{ReadHalf, WriteHalf},
};
use thaw_guest_protocol::{
    Control, DATA_CHUNK_BYTES, Exit, Frame, FrameDecoder, FrameKind, Opening, encode, encode_json,
};
use yamux::Stream;

use super::GuestError;

/// How much is read from a stream at once.
const READ_BYTES: usize = 64 * 1024;

pub(super) async fn start(
    stream: Stream,
    opening: &Opening,
) -> Result<(RunInput, RunOutput), GuestError> {
    let (reader, writer) = stream.split();
    let mut input = RunInput {
        writer,
        buffer: BytesMut::new(),
    };
    encode_json(FrameKind::Opening, opening, &mut input.buffer)?;
    input.send().await?;
    let output = RunOutput {
        reader,
        decoder: FrameDecoder::default(),
        chunk: vec![0; READ_BYTES].into_boxed_slice(),
    };
    Ok((input, output))
}

/// What goes into a running program. Dropping it is not the end of standard input; see [`RunInput::end_stdin`].
#[derive(Debug)]
pub struct RunInput {
    writer: WriteHalf<Stream>,
    pub(super) buffer: BytesMut,
}

impl RunInput {
    /// Writes to the program's standard input; waits while the guest takes no more.
    ///
    /// # Errors
    /// [`GuestError::Disconnected`]. A program that has closed its standard input is no error: the
    /// agent throws the bytes away.
    ///
    /// # Cancel safety
    /// Not cancel safe: part of the bytes may have been sent.
    pub async fn stdin(&mut self, bytes: &[u8]) -> Result<(), GuestError> {
        for chunk in bytes.chunks(DATA_CHUNK_BYTES) {
            encode(FrameKind::Stdin, chunk, &mut self.buffer)?;
            self.send().await?;
        }
        Ok(())
    }

    /// Ends the program's standard input.
    ///
    /// # Errors
    /// [`GuestError::Disconnected`].
    pub async fn end_stdin(&mut self) -> Result<(), GuestError> {
        encode(FrameKind::StdinEnd, &[], &mut self.buffer)?;
        self.send().await
    }

    /// Sends a signal or a terminal size.
    ///
    /// # Errors
    /// [`GuestError::Disconnected`].
    pub async fn control(&mut self, control: Control) -> Result<(), GuestError> {
        encode_json(FrameKind::Control, &control, &mut self.buffer)?;
        self.send().await
    }

    pub(super) async fn send(&mut self) -> Result<(), GuestError> {
        let frames = self.buffer.split();
        self.writer.write_all(&frames).await?;
        self.writer.flush().await?;
        Ok(())
    }
}

/// One piece of what comes out of a running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output; of a terminal, everything.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
    /// The end; nothing follows.
    Exit(Exit),
}

/// What comes out of a running program.
#[derive(Debug)]
pub struct RunOutput {
    reader: ReadHalf<Stream>,
    decoder: FrameDecoder,
    chunk: Box<[u8]>,
}

impl RunOutput {
    /// The next piece. After [`Output::Exit`] there is none.
    ///
    /// # Errors
    /// See [`GuestError`]; [`GuestError::Failed`] when the program could not be started.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Output, GuestError> {
        let frame = self.next_frame().await?;
        match frame.kind {
            FrameKind::Stdout => Ok(Output::Stdout(frame.payload)),
            FrameKind::Stderr => Ok(Output::Stderr(frame.payload)),
            FrameKind::Exit => Ok(Output::Exit(frame.json()?)),
            FrameKind::Failed => Err(GuestError::Failed(frame.json()?)),
            other => Err(GuestError::Unexpected(other)),
        }
    }

    pub(super) async fn next_frame(&mut self) -> Result<Frame, GuestError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(frame);
            }
            let read = self.reader.read(&mut self.chunk).await?;
            if read == 0 {
                return Err(GuestError::Cut);
            }
            self.decoder.push(&self.chunk[..read]);
        }
    }
}
