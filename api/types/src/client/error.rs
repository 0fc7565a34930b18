//! What can go wrong between a client and a server.

use thiserror::Error;

use super::SseError;
use crate::{ErrorBody, ErrorCode, ErrorDetail};

/// A call that did not succeed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The server's address makes no sense.
    #[error("{0:?} is not the address of a server; it looks like http://127.0.0.1:8000")]
    BadServer(String),
    /// The API key can't be sent.
    #[error("the API key holds characters that a header can't")]
    BadKey,
    /// Nobody answers there.
    #[error("could not reach the server at {server}")]
    Connect {
        /// Its address.
        server: String,
        /// What the system said.
        #[source]
        source: reqwest::Error,
    },
    /// The server refused, and says why.
    #[error("{}", .0.message)]
    Refused(ErrorDetail),
    /// What answers there is not Thaw, or of a version that this client does not know.
    #[error("the server answered with status {status} and a body that is not Thaw's: {body}")]
    NotThaw {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The answer broke off or does not parse.
    #[error("the server's answer could not be read")]
    Answer(#[source] reqwest::Error),
    /// An event is malformed.
    #[error("the server's events could not be read")]
    Events(#[from] SseError),
    /// An event's data does not parse.
    #[error("the server sent an event {event:?} that this client can't read")]
    EventData {
        /// The event's name.
        event: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// The stream of events ended too early.
    #[error("the server hung up before its answer was whole")]
    CutOff,
    /// The file to upload could not be read.
    #[error("could not read {path}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl ClientError {
    /// The server's code, where it gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(detail) => Some(detail.code),
            _ => None,
        }
    }

    /// What mends it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(detail) => detail.hint.as_deref(),
            Self::Connect { .. } => Some(
                "is the server running? start it with `thaw serve`, or name it with --server or THAW_SERVER",
            ),
            _ => None,
        }
    }
}

impl From<ErrorBody> for ClientError {
    fn from(body: ErrorBody) -> Self {
        Self::Refused(body.error)
    }
}
