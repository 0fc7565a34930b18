//! `runner.db`: what the runner must remember across restarts: VMs, the names of snapshots, functions
//! and the events that are queued for them.
//!
//! ```text
//! callers ──job──► queue (64, then callers wait) ──► one thread, the only one with the connection
//!                                                        └─ commit, synced ──► the caller's answer
//! ```
//!
//! A job is one transaction. What was answered is there after `kill -9` and after a loss of power; what was
//! not answered is there as a whole or not at all. Rows are written by whoever holds the turn of their VM or
//! snapshot, or makes the one change of functions at a time, so each row has one writer at a time.

mod function_events;
mod functions;
mod open;
mod schema;
mod snapshots;
mod thread;
mod vms;

pub(crate) use function_events::{Entered, EventLine, Kept, Most};
pub(crate) use functions::{FunctionRow, VersionRow};
pub use open::StoreError;
pub use thread::Store;
