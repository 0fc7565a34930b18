//! A typed client of the HTTP interface.
//!
//! ```text
//! Client ──JSON──► one answer
//!        ──Accept: text/event-stream──► ExecStream / Work: events until the last one
//! ```
//!
//! Dropping an [`ExecStream`] hangs up, and the server ends the program and, where it was made for it, the VM.

mod admin;
mod auth;
mod background;
mod error;
mod events;
mod exec;
mod files;
mod functions;
mod http;
mod snapshots;
mod socket;
mod sse;
mod tunnel;
mod upload;
mod vms;
mod work;

pub use background::{BackgroundEvent, BackgroundStream};
pub use error::ClientError;
pub use events::{Followed, Told};
pub use exec::ExecStream;
pub use files::{Content, Download, WriteFile};
pub use functions::{FunctionLogs, InvokeAnswer};
pub use http::{API_KEY_VARIABLE, Client, DEFAULT_SERVER, SERVER_VARIABLE};
pub use socket::{OpenTerminal, SocketEvent, SocketInput, SocketOutput};
pub use sse::{MAX_EVENT_BYTES, SseDecoder, SseError, SseEvent};
pub use tunnel::{TunnelInput, TunnelOutput};
pub use upload::Upload;
pub use work::{Step, Work};
