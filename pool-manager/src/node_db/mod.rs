//! `node.db`: what a node must know across restarts. Only this module opens the file.
//!
//! ```text
//! callers ──► a thread that may block ──► the one connection, one transaction ──synced──► the answer
//! ```
//! What was answered is there after `kill -9` and after a loss of power; what was not is there as a whole or
//! not at all.

mod open;
mod schema;
mod vms;

pub(crate) use open::NodeDb;
pub use open::NodeDbError;
pub(crate) use vms::{Recorded, VmRow};
