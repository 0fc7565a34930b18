//! What a runner refuses.

use thaw_pool_manager::{
    AdminError, BadSnapshotId, ExecError, LeaseError, LeaseId, SnapshotError as NodeSnapshotError,
    VmError as NodeVmError,
};
use thiserror::Error;

use crate::{Full, MetadataTooLarge, StoreError, catalog::NoClaim};

/// A program that did not start.
#[derive(Debug, Error)]
pub enum RunError {
    /// There was no clone for it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The clone did not start it.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Too much runs already.
    #[error("{limit} programs run or wait already, which is the limit")]
    TooMany {
        /// The limit.
        limit: u32,
    },
}

/// A VM that could not be made, found, changed or used.
#[derive(Debug, Error)]
pub enum VmError {
    /// No VM has this id or name.
    #[error("there is no VM {0:?}")]
    NotFound(String),
    /// Several VMs' ids begin so.
    #[error("the ids of several VMs begin with {0:?}")]
    Ambiguous(String),
    /// It is to be stopped or deleted, and this is too little of its id.
    #[error("{0:?} is too little of an id to stop or delete a VM by")]
    TooShort(String),
    /// Another VM has this name.
    #[error("there is a VM with the name or id {0:?} already")]
    NameTaken(String),
    /// There are too many VMs.
    #[error("no more VMs can be made: {0}")]
    Full(#[source] Full),
    /// Too many programs run.
    #[error("{limit} programs run or wait already, which is the limit")]
    TooManyExecs {
        /// The limit.
        limit: u32,
    },
    /// It needs a VM that runs, and somebody paused this one.
    #[error("VM {0} is paused, because somebody asked for it")]
    Paused(LeaseId),
    /// It needs a VM that runs, and this one is stopped.
    #[error("VM {id} is stopped{}", because(.reason))]
    Stopped {
        /// The VM.
        id: LeaseId,
        /// Why, where it was not asked for.
        reason: Option<String>,
    },
    /// Disks of that size can't be had.
    #[error("a disk of {wanted_mib} MiB can't be had; this node's largest is {limit_mib} MiB")]
    DiskTooLarge {
        /// What was asked for.
        wanted_mib: u64,
        /// What there is.
        limit_mib: u64,
    },
    /// The metadata is too large.
    #[error(transparent)]
    Metadata(#[from] MetadataTooLarge),
    /// No snapshot to restore has this id or name, or it is being removed.
    #[error("there is no snapshot {0:?}")]
    NoSnapshot(String),
    /// The ids of several snapshots begin so.
    #[error("the ids of several snapshots begin with {0:?}")]
    AmbiguousSnapshot(String),
    /// There was no clone for it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It did not start the program.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The node could not do it.
    #[error(transparent)]
    Node(#[from] NodeVmError),
    /// It could not be recorded.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runner shut down while it was done.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

/// A snapshot that could not be taken, found, changed or removed, or a VM that could not be forked.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// No snapshot has this id or name.
    #[error("there is no snapshot {0:?}")]
    NotFound(String),
    /// The ids of several snapshots begin so.
    #[error("the ids of several snapshots begin with {0:?}")]
    Ambiguous(String),
    /// It is to be removed, and this is too little of its id.
    #[error("{0:?} is too little of an id to remove a snapshot by")]
    TooShort(String),
    /// Another snapshot has this name.
    #[error("there is a snapshot with the name or id {0:?} already")]
    NameTaken(String),
    /// There are too many snapshots.
    #[error("no more snapshots can be taken: {0}")]
    Full(#[source] Full),
    /// VMs are being made of it.
    #[error("VMs are being restored from snapshot {0:?}")]
    InUse(String),
    /// The metadata is too large.
    #[error(transparent)]
    Metadata(#[from] MetadataTooLarge),
    /// It is the VM's fault.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// The node could not do it.
    #[error(transparent)]
    Node(#[from] NodeSnapshotError),
    /// The node could not remove it.
    #[error("could not remove the snapshot")]
    Remove(#[source] AdminError),
    /// It could not be recorded.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no id for it.
    #[error("the kernel gave no random bytes for an id")]
    NoEntropy(#[source] getrandom::Error),
    /// There is no id for it.
    #[error("the snapshot has no id")]
    Id(#[source] BadSnapshotId),
    /// The runner shut down while it was done.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

/// Why the runner could not be opened.
#[derive(Debug, Error)]
#[error("could not read what the runner remembers")]
pub struct OpenError(#[from] StoreError);

/// A task of the runner was ended before it had an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended;

impl From<Ended> for VmError {
    fn from(Ended: Ended) -> Self {
        Self::ShuttingDown
    }
}

impl From<Ended> for SnapshotError {
    fn from(Ended: Ended) -> Self {
        Self::ShuttingDown
    }
}

impl From<NoClaim> for VmError {
    fn from(error: NoClaim) -> Self {
        match error {
            NoClaim::Name(name) => Self::NameTaken(name),
            NoClaim::Full(full) => Self::Full(full),
        }
    }
}

impl From<NoClaim> for SnapshotError {
    fn from(error: NoClaim) -> Self {
        match error {
            NoClaim::Name(name) => Self::NameTaken(name),
            NoClaim::Full(full) => Self::Full(full),
        }
    }
}

fn because(reason: &Option<String>) -> String {
    reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(": {reason}"))
}
