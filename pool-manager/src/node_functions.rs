//! What a runner can ask of a node about functions.
//!
//! ```text
//! bake_function ─► the image booted ─► code in place, initialised ─► frozen ─► tried ─► a template like any other
//!       └─ its initialisation fails ─► BakeError::Function with its own output; nothing is left
//!
//! lease (TemplateSelector::Template) ─► invoke ─► log, result, end ─► invoke … or release
//! ```

use std::{fmt, pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thaw_image::ProgressSink;
use thaw_vmm::{
    Shape,
    protocol::{FunctionKind, Invoked, ResultHead},
};
use tokio::{
    io::AsyncRead,
    sync::{mpsc, watch},
};

use crate::{ExecError, ExecTimings, LeaseError, LeaseId, TemplateInfo};

/// Freezes functions after their initialisation, and gives them events.
#[async_trait]
pub trait NodeFunctions: Send + Sync + fmt::Debug + 'static {
    /// Makes sure that there is a template of a function: one with the same image, machine, code and settings
    /// is found again, else it is baked.
    ///
    /// # Errors
    /// [`LeaseError::Bake`] with [`BakeError::Function`](crate::BakeError::Function) when the function can't be
    /// initialised.
    ///
    /// # Cancel safety
    /// The bake goes on, and the next caller profits.
    async fn bake_function(
        &self,
        request: BakeFunction,
        progress: &ProgressSink,
    ) -> Result<TemplateInfo, LeaseError>;

    /// What those in need of room lack, now and whenever it changes, so that whoever holds leases that it could
    /// do without gives them back.
    fn shortage(&self) -> watch::Receiver<Shortage>;

    /// Gives an event to the function in a leased clone. The first one wakes the clone.
    ///
    /// A function serves one event at a time in a clone. Dropping the handle ends the function's process, and
    /// the clone is of no use for another event then.
    async fn invoke(
        &self,
        lease: &LeaseId,
        request: InvokeRequest,
    ) -> Result<InvokeHandle, ExecError>;
}

/// What is needed beyond what is free, or will be as spares are given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shortage {
    /// VMMs.
    pub vmms: u32,
    /// Memory for VMs.
    pub memory_mib: u64,
}

/// A function to freeze.
#[derive(Debug)]
pub struct BakeFunction {
    /// The image's name or digest.
    pub image: String,
    /// The machine's size.
    pub shape: Shape,
    /// How it is run.
    pub spec: FunctionSpec,
    /// What tells this code from other code, for example the digest of its archive.
    pub code_digest: String,
    /// The tar of its code; read only when there is something to bake.
    pub code: CodeStream,
}

/// How a function is run. A difference in any part is another template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FunctionSpec {
    /// Its name, for its own use.
    pub name: String,
    /// How it is run.
    #[serde(flatten)]
    pub kind: FunctionKind,
    /// Added to the image's environment; a later entry wins.
    pub env: Vec<(String, String)>,
    /// How long its initialisation may take.
    pub init_timeout: Duration,
}

/// The bytes of a function's code.
pub struct CodeStream(pub Pin<Box<dyn AsyncRead + Send>>);

impl fmt::Debug for CodeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeStream")
    }
}

/// An event for a function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InvokeRequest {
    /// The invocation's id, for the function's own use.
    pub request_id: String,
    /// The function's version, for its own use.
    pub version: String,
    /// The event's media type.
    pub content_type: Option<String>,
    /// What a client of AWS says of itself, as JSON.
    pub client_context: Option<String>,
    /// The event, or its beginning.
    pub event: Bytes,
    /// More follows through [`InvokeHandle::input`]. Only for functions of kind `http`, which take requests as they are.
    pub more: bool,
    /// A result that comes piece by piece is handed on so; else it is gathered in the guest.
    pub pieces: bool,
    /// Another event may follow in this clone, so it is found out whether it is fit for one.
    pub reuse: bool,
    /// After this time the function's process is killed.
    pub timeout: Duration,
    /// The most that is sent of each of its output streams.
    pub log_limit_bytes: u64,
    /// The largest result.
    pub result_limit_bytes: u64,
}

/// An invocation under way. Dropping it ends the function's process.
#[derive(Debug)]
pub struct InvokeHandle {
    /// What follows the beginning of the event: at most 16 pieces wait, then the sender does.
    pub input: mpsc::Sender<Bytes>,
    /// What comes out: at most 16 pieces wait, then the function does. The last is `End` or an error.
    pub output: mpsc::Receiver<Result<InvokeEvent, ExecError>>,
}

/// What comes out of an invocation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum InvokeEvent {
    /// Its standard output: its log.
    Stdout(Bytes),
    /// Its standard error: its log, too.
    Stderr(Bytes),
    /// What the result is; before its first piece, where it comes at all.
    Head(ResultHead),
    /// A piece of the result.
    Result(Bytes),
    /// The end.
    End {
        /// What the guest says.
        invoked: Invoked,
        /// Where the time went on the node.
        timings: ExecTimings,
    },
}
