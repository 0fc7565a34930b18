//! Programs in the background: they belong to the agent and outlive the stream that started them.

use serde::{Deserialize, Serialize};

use crate::{Exec, ExitStatus};

/// Names a program in the background within its guest; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExecId(pub u64);

/// An operation on programs in the background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackgroundOperation {
    /// Start one; replies [`Reply::Exec`](crate::Reply::Exec). Of each output stream the last part is kept,
    /// whatever its `output_limit_bytes`. It has neither standard input nor a terminal.
    Start {
        /// What to run.
        exec: Exec,
    },
    /// List them, the oldest first; replies [`Reply::Execs`](crate::Reply::Execs).
    List,
    /// Look at one; replies [`Reply::Exec`](crate::Reply::Exec).
    Inspect {
        /// Which.
        id: ExecId,
    },
    /// Send what one writes: `Begun` with [`Reply::Exec`](crate::Reply::Exec), [`OutputPiece`]s as `Data`, and
    /// [`Reply::Exec`](crate::Reply::Exec) again at the end.
    Output {
        /// Which.
        id: ExecId,
        /// Standard output from this byte on.
        #[serde(default)]
        stdout_from: u64,
        /// Standard error from this byte on.
        #[serde(default)]
        stderr_from: u64,
        /// Go on until the program has ended; otherwise what is there now is all.
        #[serde(default)]
        follow: bool,
    },
    /// Send a signal to one's process group; replies [`Reply::Exec`](crate::Reply::Exec). It is no error when it has
    /// ended.
    Signal {
        /// Which.
        id: ExecId,
        /// The signal's number (signal(7), x86-64).
        signal: i32,
    },
    /// Forget one, and kill it first if it still runs; replies [`Reply::Exec`](crate::Reply::Exec).
    Remove {
        /// Which.
        id: ExecId,
    },
}

/// A program in the background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackgroundExec {
    /// Its name.
    pub id: ExecId,
    /// Its arguments in one line, cut to 256 characters.
    pub command: String,
    /// Milliseconds since 1970-01-01 UTC of the guest's clock.
    pub started_at_ms: u64,
    /// How it ended; none while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ExecEnd>,
    /// Its standard output.
    pub stdout: StreamInfo,
    /// Its standard error.
    pub stderr: StreamInfo,
}

/// How a program in the background ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecEnd {
    /// Its status.
    pub status: ExitStatus,
    /// It was killed because its time was up.
    pub timed_out: bool,
    /// Milliseconds since 1970-01-01 UTC of the guest's clock.
    pub ended_at_ms: u64,
}

/// What is known of an output stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// How much has been written in all.
    pub written_bytes: u64,
    /// How much of its beginning is no longer kept.
    pub lost_bytes: u64,
}

/// One of a program's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of the output of a program in the background: a byte that says which stream, the piece's place in it as eight
/// bytes, little endian, and the bytes. Where a piece's place lies behind the end of the one before it, what is between
/// them is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputPiece<'a> {
    /// Which stream.
    pub stream: OutputStream,
    /// How many bytes of the stream come before it.
    pub from: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> OutputPiece<'a> {
    /// What comes before the bytes.
    pub const HEAD_BYTES: usize = 9;

    /// The piece as the payload of a frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(Self::HEAD_BYTES + self.bytes.len());
        payload.push(match self.stream {
            OutputStream::Stdout => 1,
            OutputStream::Stderr => 2,
        });
        payload.extend_from_slice(&self.from.to_le_bytes());
        payload.extend_from_slice(self.bytes);
        payload
    }

    /// Reads the payload of a frame; none where it is no piece.
    pub fn decode(payload: &'a [u8]) -> Option<Self> {
        let (&stream, rest) = payload.split_first()?;
        let (&from, bytes) = rest.split_first_chunk::<8>()?;
        Some(Self {
            stream: match stream {
                1 => OutputStream::Stdout,
                2 => OutputStream::Stderr,
                _ => return None,
            },
            from: u64::from_le_bytes(from),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_piece_comes_out_as_it_went_in(
            is_stdout in any::<bool>(),
            from in any::<u64>(),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let stream = if is_stdout { OutputStream::Stdout } else { OutputStream::Stderr };
            let piece = OutputPiece { stream, from, bytes: &bytes };
            let payload = piece.encode();
            prop_assert_eq!(OutputPiece::decode(&payload), Some(piece));
        }

        #[test]
        fn any_bytes_are_a_piece_or_none(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let decoded = OutputPiece::decode(&bytes);
            let is_piece = bytes.len() >= OutputPiece::HEAD_BYTES && matches!(bytes[0], 1 | 2);
            prop_assert_eq!(decoded.is_some(), is_piece);
        }
    }
}
