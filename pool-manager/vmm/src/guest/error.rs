//! What can go wrong between the host and an agent.

use std::io;

use thaw_guest_protocol::{Failure, FrameError, FrameKind};
use thiserror::Error;

/// An operation in a guest that did not come to its end.
#[derive(Debug, Error)]
pub enum GuestError {
    /// The agent answered that it can't be done; the guest is well.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// The connection is gone: the VMM ended, or the agent did.
    #[error("the connection to the guest is gone")]
    Disconnected(#[source] io::Error),
    /// The agent broke the protocol; it must not be used any more.
    #[error("the guest sent a malformed frame")]
    Malformed(#[from] FrameError),
    /// The agent sent a frame that does not belong here; it must not be used any more.
    #[error("the guest sent a {0:?} frame where none belongs")]
    Unexpected(FrameKind),
    /// The agent closed the stream before its last frame.
    #[error("the guest closed the stream before it had answered")]
    Cut,
    /// More than 256 operations wait for their stream.
    #[error("too many operations in this guest at once")]
    TooManyStreams,
}

impl From<io::Error> for GuestError {
    fn from(source: io::Error) -> Self {
        Self::Disconnected(source)
    }
}

impl GuestError {
    /// Whether the guest itself is still sound: it answered, and said no.
    pub fn is_an_answer(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}
