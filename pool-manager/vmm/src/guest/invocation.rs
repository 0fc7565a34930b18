//! What comes out of a function that was given an event.

use bytes::Bytes;
use thaw_guest_protocol::{FrameKind, Invoked, ResultHead};

use super::{GuestError, RunOutput};

/// One piece of what comes out of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvocationOutput {
    /// The function's standard output: its log.
    Stdout(Bytes),
    /// The function's standard error: its log, too.
    Stderr(Bytes),
    /// What the result is; before its first piece, where it comes at all.
    Head(ResultHead),
    /// A piece of the result.
    Result(Bytes),
    /// The end; nothing follows.
    End(Invoked),
}

impl RunOutput {
    /// The next piece of an invocation. After [`InvocationOutput::End`] there is none.
    ///
    /// # Errors
    /// See [`GuestError`]; [`GuestError::Failed`] when the event could not be given to the function.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next_of_invocation(&mut self) -> Result<InvocationOutput, GuestError> {
        let frame = self.next_frame().await?;
        match frame.kind {
            FrameKind::Stdout => Ok(InvocationOutput::Stdout(frame.payload)),
            FrameKind::Stderr => Ok(InvocationOutput::Stderr(frame.payload)),
            FrameKind::ResultHead => Ok(InvocationOutput::Head(frame.json()?)),
            FrameKind::Result => Ok(InvocationOutput::Result(frame.payload)),
            FrameKind::Invoked => Ok(InvocationOutput::End(frame.json()?)),
            FrameKind::Failed => Err(GuestError::Failed(frame.json()?)),
            other => Err(GuestError::Unexpected(other)),
        }
    }
}
