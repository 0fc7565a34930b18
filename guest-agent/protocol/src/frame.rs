//! Frames: a length, a kind, a payload.
//!
//! ```text
//! u32 little endian: payload length | u8: kind | payload
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use thiserror::Error;

/// The largest payload of one frame, in bytes; a peer that announces more is cut off.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

const HEADER_BYTES: usize = 5;

/// What a frame's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// JSON [`Opening`](crate::Opening); the first frame of every stream.
    Opening = 0x01,
    /// Raw bytes for the program's standard input.
    Stdin = 0x02,
    /// No more standard input; the payload is empty.
    StdinEnd = 0x03,
    /// JSON [`Control`](crate::Control).
    Control = 0x04,
    /// Raw bytes of a file, an archive or a connection, in either direction.
    Data = 0x05,
    /// No more [`Data`](Self::Data) from this side; the payload is empty.
    DataEnd = 0x06,
    /// Raw bytes of the program's standard output (of a PTY: everything).
    Stdout = 0x10,
    /// Raw bytes of the program's standard error.
    Stderr = 0x11,
    /// JSON [`Exit`](crate::Exit); the last frame of an exec or code run.
    Exit = 0x12,
    /// JSON [`Reply`](crate::Reply); the last frame of every other operation.
    Reply = 0x13,
    /// JSON [`Failure`](crate::Failure); the last frame of an operation that could not be done.
    Failed = 0x14,
    /// JSON [`ResultHead`](crate::ResultHead).
    ResultHead = 0x15,
    /// Raw bytes of what a function returns.
    Result = 0x16,
    /// JSON [`Invoked`](crate::Invoked); the last frame of an invocation.
    Invoked = 0x17,
    /// JSON [`Reply`](crate::Reply): the operation can be done and its data follow.
    Begun = 0x18,
}

impl FrameKind {
    fn from_wire(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Opening,
            0x02 => Self::Stdin,
            0x03 => Self::StdinEnd,
            0x04 => Self::Control,
            0x05 => Self::Data,
            0x06 => Self::DataEnd,
            0x10 => Self::Stdout,
            0x11 => Self::Stderr,
            0x12 => Self::Exit,
            0x13 => Self::Reply,
            0x14 => Self::Failed,
            0x15 => Self::ResultHead,
            0x16 => Self::Result,
            0x17 => Self::Invoked,
            0x18 => Self::Begun,
            _ => return None,
        })
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the payload is.
    pub kind: FrameKind,
    /// At most [`MAX_FRAME_BYTES`].
    pub payload: Bytes,
}

impl Frame {
    /// Reads the payload as JSON.
    ///
    /// # Errors
    /// [`FrameError::Json`] when it is not what its kind says.
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, FrameError> {
        serde_json::from_slice(&self.payload).map_err(|source| FrameError::Json {
            kind: self.kind,
            source,
        })
    }
}

/// A peer that does not keep to the format.
#[derive(Debug, Error)]
pub enum FrameError {
    /// A payload was announced that is larger than [`MAX_FRAME_BYTES`].
    #[error("the peer announced a frame of {bytes} bytes; the limit is {MAX_FRAME_BYTES}")]
    TooLarge {
        /// What was announced.
        bytes: usize,
    },
    /// A kind that this version does not know.
    #[error("the peer sent a frame of unknown kind {kind:#04x}")]
    UnknownKind {
        /// The byte on the wire.
        kind: u8,
    },
    /// A control payload that does not parse, or can't be written.
    #[error("the payload of a {kind:?} frame is not valid")]
    Json {
        /// The frame's kind.
        kind: FrameKind,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

/// Appends a frame to `out`.
///
/// # Errors
/// [`FrameError::TooLarge`]; nothing is appended then.
pub fn encode(kind: FrameKind, payload: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= MAX_FRAME_BYTES)
        .ok_or(FrameError::TooLarge {
            bytes: payload.len(),
        })?;
    out.reserve(HEADER_BYTES + payload.len());
    out.put_u32_le(length);
    out.put_u8(kind as u8);
    out.put_slice(payload);
    Ok(())
}

/// Appends a frame with a JSON payload to `out`.
///
/// # Errors
/// [`FrameError::TooLarge`] and [`FrameError::Json`]; nothing is appended then.
pub fn encode_json<T: Serialize>(
    kind: FrameKind,
    message: &T,
    out: &mut BytesMut,
) -> Result<(), FrameError> {
    let payload =
        serde_json::to_vec(message).map_err(|source| FrameError::Json { kind, source })?;
    encode(kind, &payload, out)
}

/// Cuts a stream of bytes into frames.
///
/// It never holds more than one frame beyond what it was given, because a frame's length is checked
/// as soon as its header is there.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
}

impl FrameDecoder {
    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Where to read bytes into directly, instead of [`push`](Self::push).
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Returns the next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] and [`FrameError::UnknownKind`]; the stream is of no use afterwards.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((length, kind)) = self.header()? else {
            return Ok(None);
        };
        if self.buffer.len() < HEADER_BYTES + length {
            self.buffer
                .reserve(HEADER_BYTES + length - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        let payload = self.buffer.split_to(length).freeze();
        Ok(Some(Frame { kind, payload }))
    }

    /// Whether the stream may end here: no frame is cut in two.
    pub fn is_at_boundary(&self) -> bool {
        self.buffer.is_empty()
    }

    fn header(&self) -> Result<Option<(usize, FrameKind)>, FrameError> {
        let Some((&[a, b, c, d, kind], _)) = self.buffer.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let bytes = u32::from_le_bytes([a, b, c, d]) as usize;
        if bytes > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge { bytes });
        }
        let kind = FrameKind::from_wire(kind).ok_or(FrameError::UnknownKind { kind })?;
        Ok(Some((bytes, kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = FrameKind> {
        prop::sample::select(vec![
            FrameKind::Opening,
            FrameKind::Stdin,
            FrameKind::StdinEnd,
            FrameKind::Control,
            FrameKind::Data,
            FrameKind::DataEnd,
            FrameKind::Stdout,
            FrameKind::Stderr,
            FrameKind::Exit,
            FrameKind::Reply,
            FrameKind::Failed,
            FrameKind::ResultHead,
            FrameKind::Result,
            FrameKind::Invoked,
            FrameKind::Begun,
        ])
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_bytes_are_cut(
            frames in prop::collection::vec((kinds(), prop::collection::vec(any::<u8>(), 0..300)), 0..20),
            cut in 1usize..64,
        ) {
            let mut wire = BytesMut::new();
            for (kind, payload) in &frames {
                encode(*kind, payload, &mut wire).unwrap();
            }
            let mut decoder = FrameDecoder::default();
            let mut seen = Vec::new();
            for piece in wire.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push((frame.kind, frame.payload.to_vec()));
                }
            }
            prop_assert!(decoder.is_at_boundary());
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn any_bytes_from_a_guest_end_in_frames_or_an_error_and_never_in_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let mut decoder = FrameDecoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_frame() {}
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_payload_arrives() {
        let mut decoder = FrameDecoder::default();
        decoder.push(&(MAX_FRAME_BYTES as u32 + 1).to_le_bytes());
        decoder.push(&[FrameKind::Stdout as u8]);
        assert!(matches!(
            decoder.next_frame(),
            Err(FrameError::TooLarge { .. })
        ));
    }
}
