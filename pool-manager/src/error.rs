//! What can go wrong on a node.

use std::{io, sync::Arc, time::Duration};

use thaw_image::AddError;
use thaw_vmm::{ControlError, RestoreError, StartError, protocol::FailureKind};
use thiserror::Error;

use crate::template::BadTemplate;

/// No clone could be handed out. Cheap to clone, because all who wait for one bake share its error.
#[derive(Debug, Clone, Error)]
pub enum LeaseError {
    /// No such image here, in the Docker daemon or in the registry.
    #[error("there is no image {name:?}")]
    UnknownImage {
        /// What was asked for.
        name: String,
        /// Where it was looked for, and what came of it.
        #[source]
        source: Option<Arc<AddError>>,
    },
    /// The image could not be made.
    #[error("could not make image {name:?}")]
    Image {
        /// What was asked for.
        name: String,
        /// Why.
        #[source]
        source: Arc<AddError>,
    },
    /// No such template.
    #[error("there is no template {0:?}")]
    UnknownTemplate(String),
    /// No such snapshot.
    #[error("there is no snapshot {0}")]
    UnknownSnapshot(crate::SnapshotId),
    /// The machine's size is out of range.
    #[error("{0}")]
    BadShape(String),
    /// The template could not be baked.
    #[error("could not bake the template")]
    Bake(#[source] Arc<BakeError>),
    /// The template is damaged, or of another version.
    #[error("template {template} can't be used: {reason}")]
    BadTemplate {
        /// Its id.
        template: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The snapshot is damaged, or of another version.
    #[error("snapshot {snapshot} can't be used: {reason}")]
    BadSnapshot {
        /// Its id.
        snapshot: crate::SnapshotId,
        /// What is wrong with it.
        reason: String,
    },
    /// A clone could not be made of what was taken of a VM.
    #[error("a VM could not go on from where another one was")]
    Restore(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// This daemon may not write into its VMMs, which restoring from a snapshot takes.
    #[error(
        "this daemon may not write the memory of its VMs, which takes CAP_SYS_PTRACE; `thaw doctor` says more"
    )]
    NotPermitted(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The host has no memory for the template now.
    #[error("the host has no memory for the template")]
    NoMemory(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// Too many callers wait already.
    #[error("{waiting} callers wait for this pool already")]
    Full {
        /// How many wait.
        waiting: u32,
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// No clone became ready in time.
    #[error("no clone was ready within {0:?}")]
    TimedOut(Duration),
    /// Restores failed repeatedly; the next try is later.
    #[error("restores of this template keep failing: {last_error}")]
    BackingOff {
        /// The last failure.
        last_error: String,
        /// When the next try is due.
        retry_after: Duration,
    },
    /// The node's budget of VMMs or memory is spent.
    #[error("the node's limit of {limit} is reached: {what}")]
    NodeFull {
        /// What is spent.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The node shuts down.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl From<BadTemplate> for LeaseError {
    fn from(bad: BadTemplate) -> Self {
        Self::BadTemplate {
            template: bad.id.to_string(),
            reason: bad.to_string(),
        }
    }
}

/// A template could not be made.
#[derive(Debug, Error)]
pub enum BakeError {
    /// The VM did not start.
    #[error("the template's VM did not start")]
    Start(#[from] StartError),
    /// The VM could not be frozen.
    #[error("could not freeze the template's VM")]
    Freeze(#[from] ControlError),
    /// The agent could not get ready.
    #[error("the guest could not get ready to be frozen")]
    Prepare(#[from] thaw_vmm::GuestError),
    /// A trial restore failed.
    #[error("a trial restore of the new template failed")]
    Trial(#[source] RestoreError),
    /// A trial restore of what was written failed its proof.
    #[error("the new template's first clone failed its proof")]
    Proof(#[source] thaw_vmm::GuestError),
    /// What was written can't be used.
    #[error("the new template can't be used: {0}")]
    Unusable(String),
    /// Files could not be written.
    #[error("could not write the template")]
    Write(#[source] io::Error),
    /// The memory could not be written.
    #[error("could not write the template's memory")]
    WriteMemory(#[from] thaw_lazymem::WriteError),
    /// There is too little room on the disk.
    #[error(
        "a bake needs {needed_bytes} bytes free on the disk of {folder}, and {free_bytes} are; free some, for example with `thaw template rm` or `thaw image rm`"
    )]
    DiskFull {
        /// The folder of templates.
        folder: std::path::PathBuf,
        /// What must be free.
        needed_bytes: u64,
        /// What is free.
        free_bytes: u64,
    },
    /// The function could not be initialised.
    #[error("the function could not be initialised: {reason}")]
    Function {
        /// How it failed.
        reason: String,
        /// What it said itself, at most 64 KiB of each stream.
        output: String,
    },
    /// The function's code could not be read.
    #[error("could not read the function's code")]
    ReadCode(#[source] io::Error),
    /// It took too long.
    #[error("the bake took longer than {0:?}")]
    TimedOut(Duration),
    /// Its task was lost.
    #[error("the bake was lost; try again")]
    Lost,
    /// The scratch disk could not be made.
    #[error("could not make the scratch disk")]
    Scratch(#[from] thaw_vmm::DiskError),
}

/// Nothing ran, or what ran was lost.
#[derive(Debug, Error)]
pub enum ExecError {
    /// No such lease.
    #[error("there is no VM {0:?}")]
    UnknownLease(String),
    /// The guest refused: program not found and the like. The VM is well.
    #[error("{message}")]
    Refused {
        /// The kind, to decide by.
        kind: FailureKind,
        /// The agent's words.
        message: String,
    },
    /// There is nothing to run.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The VM ended while the program ran.
    #[error("the VM ended while the program ran: {reason}")]
    VmEnded {
        /// How.
        reason: String,
        /// Whether its kernel panicked.
        guest_panic: bool,
    },
    /// The agent can no longer be talked to.
    #[error("the VM can no longer be talked to: {0}")]
    Lost(String),
    /// Somebody paused the VM.
    #[error("VM {0:?} is paused")]
    Paused(String),
    /// Too much runs in this VM.
    #[error("too many programs run in this VM at once")]
    TooMany,
}

/// An image, template or pool could not be changed.
#[derive(Debug, Error)]
pub enum AdminError {
    /// There is no such thing.
    #[error("there is no {kind} {name:?}")]
    NotFound {
        /// `image`, `template` or `pool`.
        kind: &'static str,
        /// What was asked for.
        name: String,
    },
    /// Something uses it.
    #[error("{kind} {name:?} is in use: {by}")]
    InUse {
        /// `image` or `template`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Who uses it.
        by: String,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Bad(String),
    /// An image could not be made.
    #[error("could not make the image")]
    Add(#[from] AddError),
    /// A template could not be made or used.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The disk refused.
    #[error("could not {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// An error and its causes on one line, down to the first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors print their cause themselves.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
