//! What can be asked for, and the streams between the caller and the guest.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thaw_vmm::protocol::{FileOperation, Reply, Request};
use tokio::sync::mpsc;

use crate::ExecError;

/// Something to do inside a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsideRequest {
    /// Do something with its files.
    Files(FileOperation),
    /// Say what is used.
    Usage,
}

impl InsideRequest {
    pub(crate) fn into_agent_request(self) -> Request {
        match self {
            Self::Files(operation) => Request::Files(operation),
            Self::Usage => Request::Usage,
        }
    }
}

/// An operation under way. Dropping it ends the operation.
#[derive(Debug)]
pub struct GuestStream {
    /// What goes in: at most 16 pieces wait, then the sender does. Dropping it is not the end of the data.
    pub input: mpsc::Sender<StreamInput>,
    /// What comes out: at most 16 pieces wait, then the guest does. The last is `Done` or an error.
    pub output: mpsc::Receiver<Result<StreamEvent, ExecError>>,
}

/// What goes into an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamInput {
    /// Bytes.
    Data(Bytes),
    /// All bytes were sent.
    End,
}

/// What comes out of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamEvent {
    /// It can be done; what follows is described.
    Begun(Reply),
    /// Bytes.
    Data(Bytes),
    /// No more bytes; the operation goes on.
    End,
    /// The end.
    Done(Reply),
}
