//! What a runner can ask of a node about snapshots and forks of running VMs.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thaw_vmm::Shape;

use crate::{AdminError, ExecError, Lease, LeaseError, LeaseId, TemplateId, VmError};

/// Takes what a VM is at one moment, and makes VMs of it.
#[async_trait]
pub trait NodeSnapshots: Send + Sync + fmt::Debug + 'static {
    /// Takes a snapshot of a running or paused VM, which goes on as it was. When this returns the snapshot
    /// is on the disk, synced, and [`TemplateSelector::Snapshot`](crate::TemplateSelector) leases clones of it.
    async fn snapshot(
        &self,
        lease: &LeaseId,
        id: &SnapshotId,
    ) -> Result<SnapshotInfo, SnapshotError>;

    /// Every snapshot that is there, in no order; those that can't be used too.
    async fn snapshots(&self) -> Vec<StoredSnapshot>;

    /// Removes a snapshot that no lease is being made of. VMs that were made of it go on.
    async fn remove_snapshot(&self, id: &SnapshotId) -> Result<(), AdminError>;

    /// Makes `count` more VMs that begin where this one is now; it goes on as it was. They are awake, and
    /// are leases like any other. All of them, or none and an error.
    async fn fork(
        &self,
        lease: &LeaseId,
        count: u32,
        within: Duration,
    ) -> Result<Fork, SnapshotError>;
}

/// The id of a snapshot: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

/// An id that does not match `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "a snapshot's id has 1 to 63 of the characters a-z, 0-9 and '-', and does not start with '-'"
)]
pub struct BadSnapshotId;

impl SnapshotId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = BadSnapshotId;

    fn try_from(text: String) -> Result<Self, BadSnapshotId> {
        match thaw_vmm::VmmId::try_from(text) {
            Ok(id) => Ok(Self(id.into())),
            Err(thaw_vmm::BadId) => Err(BadSnapshotId),
        }
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A snapshot: a template, and the whole difference to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotInfo {
    /// Its id.
    pub id: SnapshotId,
    /// The template that the difference is to.
    pub template: TemplateId,
    /// The image's digest.
    pub image: String,
    /// The machine's size.
    pub shape: Shape,
    /// Memory that the VM had written since its template was frozen.
    pub memory_bytes: u64,
    /// What the snapshot takes on disk.
    pub disk_bytes: u64,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// How long the VM's CPUs stood still for it.
    pub paused: Duration,
    /// How long it took until it was on the disk.
    pub total: Duration,
}

/// A snapshot that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredSnapshot {
    /// One that leases can be made of.
    Usable(SnapshotInfo),
    /// One that is damaged or of another version. It is refused, and can be removed.
    Unusable {
        /// Its id.
        id: SnapshotId,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoredSnapshot {
    /// Its id.
    pub fn id(&self) -> &SnapshotId {
        match self {
            Self::Usable(info) => &info.id,
            Self::Unusable { id, .. } => id,
        }
    }

    /// Why it can't be used; none when it can.
    pub fn unusable(&self) -> Option<&str> {
        match self {
            Self::Usable(_) => None,
            Self::Unusable { reason, .. } => Some(reason),
        }
    }
}

/// VMs that began where another one was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fork {
    /// The new VMs.
    pub leases: Vec<Lease>,
    /// How long the CPUs of the one that was forked stood still.
    pub paused: Duration,
    /// How long its programs stood still: that, and bringing them to rest and letting them go on.
    pub at_rest: Duration,
    /// How long it took until all were awake.
    pub total: Duration,
}

/// A VM could not be snapshotted or forked. It goes on as it was.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The template that the VM was made of is not here any more, or of no use.
    #[error("the template that the VM was made of can't be used")]
    Template(#[source] LeaseError),
    /// Nothing was asked for.
    #[error("at least one fork must be asked for, and at most {most}")]
    Count {
        /// The most.
        most: u32,
    },
    /// There is a snapshot of this id.
    #[error("there is a snapshot {0} already")]
    Exists(SnapshotId),
    /// The VM can't be reached, paused or resumed.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// The guest could not get ready.
    #[error("the guest could not get ready")]
    Guest(#[source] ExecError),
    /// This daemon may not look into its VMMs.
    #[error(
        "this daemon may not read the memory of its VMs, which takes CAP_SYS_PTRACE; `thaw doctor` says more"
    )]
    NotPermitted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its memory can't be read.
    #[error("could not read the VM's memory")]
    Memory(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was taken could not be written.
    #[error("could not write the snapshot")]
    Write(#[source] std::io::Error),
    /// There is too little room on the disk.
    #[error(
        "a snapshot needs {needed_bytes} bytes free, and {free_bytes} are; free some, for example with `thaw snapshot rm`"
    )]
    DiskFull {
        /// What must be free.
        needed_bytes: u64,
        /// What is free.
        free_bytes: u64,
    },
    /// A clone could not be made of it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}
