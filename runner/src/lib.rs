//! Routes exec and VM requests to a warm instance of a node, and remembers VMs and snapshots.
//!
//! ```text
//! exec_once:  admission ─► Node::lease ─► LeaseGuard ─► Node::exec ─► RunningExec ──dropped──► release
//! create_vm:  claim ─► Node::lease ─► LeaseGuard ─► (woken by a first exec) ─► Node::keep ─► runner.db ─► Vm
//! vm_exec:    enter (woken if it slept) ─► VmPass ─► Node::exec        delete_vm: runner.db ─► release
//! open:       runner.db ∩ what the node keeps; what is only on one side is removed
//! ```
//!
//! A lease is held by a guard from the moment it exists, so whoever gives up at any point gives the VM
//! back. A VM is there once its row is committed: what was acknowledged survives the daemon.

mod catalog;
mod clock;
mod config;
mod error;
mod events;
mod exec;
pub mod functions;
mod guard;
mod inside;
mod metadata;
mod open;
mod port;
mod runner;
mod snapshots;
mod store;
mod tasks;
mod vms;

pub use catalog::{CountLimits, Full};
pub use config::RunnerLimits;
pub use error::{OpenError, RunError, SnapshotError, VmError};
pub use events::{Event, EventKind, KEPT_EVENTS, Subscription, Told};
pub use exec::{ExecCall, RunningExec};
pub use inside::RunningInside;
pub use metadata::{KEPT_KEY, MAX_METADATA_BYTES, Metadata, MetadataTooLarge};
pub use port::VmPort;
pub use runner::Runner;
pub use snapshots::{SnapshotChange, SnapshotInfo, SnapshotRef, TakeSnapshot};
pub use store::{Store, StoreError};
pub use thaw_pool_manager as node;
pub use vms::{
    BadCursor, CreateVm, Cursor, ForkVm, ForkedVms, NewFile, Page, PausedBy, VmChange, VmFilter,
    VmInfo, VmPass, VmSource, VmStateKind, VmStatus, VmUsage,
};
