//! What can be asked for, and the streams between the caller and the guest.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thaw_image::ImageConfig;
use thaw_vmm::protocol::{BackgroundOperation, FileOperation, Reply, Request};
use tokio::sync::mpsc;

use crate::{ExecError, ExecRequest, exec_request::agent_request};

/// Something to do inside a VM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsideRequest {
    /// Do something with its files.
    Files(FileOperation),
    /// Say what is used.
    Usage,
    /// Start a program in the background, which has neither standard input nor a terminal.
    Start(Box<ExecRequest>),
    /// Do something with the programs in the background.
    Background(BackgroundOperation),
    /// Connect to a port of the guest itself.
    Dial {
        /// The port.
        port: u16,
    },
}

impl InsideRequest {
    /// What the agent is told; what a program's caller leaves open comes from the image.
    ///
    /// # Errors
    /// [`ExecError::BadRequest`].
    pub(crate) fn into_agent_request(self, config: &ImageConfig) -> Result<Request, ExecError> {
        Ok(match self {
            Self::Start(request) => match agent_request(config, *request)? {
                Request::Exec(exec) => Request::Background(BackgroundOperation::Start { exec }),
                _ => {
                    return Err(ExecError::BadRequest(
                        "code can't run in the background; name a program",
                    ));
                }
            },
            Self::Background(operation) => Request::Background(operation),
            Self::Files(operation) => Request::Files(operation),
            Self::Usage => Request::Usage,
            Self::Dial { port } => Request::Dial { port },
        })
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
