//! What a runner can ask of a node about VMs that stay.
//!
//! ```text
//! leased ──keep──► running ◄──pause / resume──► paused
//!                    │  ▲                          │
//!          power_off │  │ boot                     │ power_off
//!                    ▼  │                          │
//!                  stopped ◄───────────────────────┘
//!   any state ──release──► gone, its disk too
//!   the VMM ended by itself ──► stopped, told as a VmEvent
//!   the daemon was started again ──► running and paused VMs are adopted; the others are stopped
//! ```

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};

use crate::{ExecError, LeaseId, TemplateId};

/// Machines that outlive the call that made them, and the daemon.
#[async_trait]
pub trait NodeVms: Send + Sync + fmt::Debug + 'static {
    /// Makes a leased clone a VM that stays: it is recorded, its VMM survives the end of the daemon, and
    /// its disk is kept when it is powered off. Once kept, it stays so until it is released.
    async fn keep(&self, lease: &LeaseId) -> Result<(), VmError>;

    /// Makes the disk of a leased clone that runs this large, and its file system too. A disk that is as large is
    /// left as it is.
    async fn grow_disk(&self, lease: &LeaseId, disk_bytes: u64) -> Result<(), VmError>;

    /// Every VM that stays. After a start of the daemon: those that were adopted, and those that are stopped.
    async fn kept(&self) -> Vec<KeptVm>;

    /// Stops the VM's CPUs; what its programs held stays as it is. A paused VM is left as it is.
    async fn pause(&self, lease: &LeaseId) -> Result<(), VmError>;

    /// Lets the VM's CPUs run again, with its clock put right. A running VM is left as it is.
    async fn resume(&self, lease: &LeaseId) -> Result<(), VmError>;

    /// Powers the VM off in an orderly way, or kills it when that takes too long, and keeps its disk.
    /// A stopped VM is left as it is.
    async fn power_off(&self, lease: &LeaseId) -> Result<(), VmError>;

    /// Boots a stopped VM from its own disk. It is awake and has answered when this returns.
    async fn boot(&self, lease: &LeaseId) -> Result<(), VmError>;

    /// What a VM takes of its host now. It is not looked into, so it may as well be paused or stopped.
    async fn host_usage(&self, lease: &LeaseId) -> Result<HostUsage, VmError>;

    /// What a VM says on its console: what is kept of it, at most 64 KiB, and with `follow` more as it comes, until
    /// its VMM ends. Of a VM that has stopped it is what it said last, if this daemon has heard it.
    async fn console(&self, lease: &LeaseId, follow: bool) -> Result<ConsoleStream, VmError>;

    /// Changes of state that nobody asked for, from now on. A receiver that lags loses the oldest and
    /// asks [`kept`](Self::kept) instead.
    fn vm_events(&self) -> broadcast::Receiver<VmEvent>;
}

/// A VM that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVm {
    /// Its id.
    pub id: LeaseId,
    /// The template that it was made from.
    pub template: TemplateId,
    /// What it does.
    pub state: VmState,
}

/// What a VM that stays does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VmState {
    /// Its CPUs run.
    Running,
    /// Its CPUs are stopped, its memory is there.
    Paused,
    /// It has no VMM; its disk is there.
    Stopped,
}

/// What a VM takes of its host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostUsage {
    /// What its VMM has in the host's memory; none when there is no VMM.
    pub memory: Option<HostMemory>,
    /// What its own disk takes of the host's.
    pub disk_bytes: u64,
}

/// What a VMM has in its host's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMemory {
    /// Pages that it shares with other clones count by their share (PSS).
    pub proportional_bytes: u64,
    /// All of its pages (RSS).
    pub resident_bytes: u64,
    /// Pages that it shares with nobody.
    pub private_bytes: u64,
}

/// What a VM says on its console.
#[derive(Debug)]
pub struct ConsoleStream {
    /// What it has said.
    pub said: ConsolePiece,
    /// What it says from then on: at most 4 pieces wait, and what a reader is too slow for is missed. It ends with
    /// the VMM; none when it is not followed.
    pub more: Option<mpsc::Receiver<ConsolePiece>>,
}

/// A piece of what a VM says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsolePiece {
    /// How many bytes came before it that are no longer kept.
    pub missed_bytes: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// A VM's state changed by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmEvent {
    /// The VM.
    pub id: LeaseId,
    /// What it does now.
    pub state: VmState,
    /// Why, for people: the VMM's last words, or the guest's.
    pub reason: String,
}

/// A VM could not be brought into a state.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// No such lease.
    #[error("there is no VM {0}")]
    Unknown(LeaseId),
    /// The VM is not in a state to do it from.
    #[error("VM {id} is {state:?}, and {attempt} needs another state")]
    State {
        /// The VM.
        id: LeaseId,
        /// What was tried.
        attempt: &'static str,
        /// Its state.
        state: VmState,
    },
    /// The VMM or the guest refused.
    #[error("could not {attempt} VM {id}")]
    Control {
        /// The VM.
        id: LeaseId,
        /// What was tried.
        attempt: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The guest could not be reached, or ended.
    #[error(transparent)]
    Guest(#[from] ExecError),
    /// What is kept of the VM could not be written or read.
    #[error("could not {attempt} what is kept of VM {id}")]
    Storage {
        /// The VM.
        id: LeaseId,
        /// What was tried.
        attempt: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No room for another VMM.
    #[error(transparent)]
    Lease(#[from] crate::LeaseError),
}
