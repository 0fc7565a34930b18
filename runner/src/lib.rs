//! Routes exec and VM requests to a warm instance of a node.
//!
//! ```text
//! exec_once:  admission ─► Node::lease ─► LeaseGuard ─► Node::exec ─► RunningExec ──dropped──► release
//! create_vm:  admission ─► Node::lease ─► LeaseGuard ─► (woken by a first exec) ─► table of VMs
//! vm_exec:    table ─► Node::exec          delete_vm: table ─► guard dropped ─► release
//! ```
//!
//! A lease is held by a guard from the moment it exists, so whoever gives up at any point gives the VM
//! back. The table of VMs is in memory: VMs end with the daemon until their state is stored.

mod config;
mod error;
mod exec;
mod guard;
mod runner;
mod vms;

pub use config::RunnerLimits;
pub use error::{RunError, VmError};
pub use exec::{ExecCall, RunningExec};
pub use runner::Runner;
pub use thaw_pool_manager as node;
pub use vms::{CreateVm, VmInfo};
