//! Snapshots that users took of VMs, and their names.
//!
//! ```text
//! take: claim (name, place) ─► node: on disk, synced ─► row ─► entered, told
//! replace: the rows of the old one and the new one are exchanged in one transaction
//! restore: used (shared) while a clone is made of it      remove: only when nobody uses it
//! ```
//!
//! The node has the artifact; the row has its name and what it began as. A snapshot without a row was never
//! acknowledged and is removed at the next start; a row without a snapshot was being removed.

mod change;
mod find;
mod info;
mod remove;
mod replace;
mod snapshot;
mod take;

pub use change::SnapshotChange;
pub use find::SnapshotRef;
pub use info::SnapshotInfo;
pub(crate) use snapshot::{Snapshot, SnapshotUse};
pub use take::TakeSnapshot;
