//! Names of snapshots and their ids.
//!
//! BandSox's snapshots have their name for an id until they are renamed; ours keep that id for good, and are
//! found by their new name too.

use thaw_runner::node::SnapshotId;

/// The id that a snapshot of this name gets, if the name has the form of an id.
pub(super) fn id_of(name: &str) -> Option<SnapshotId> {
    SnapshotId::try_from(name.to_owned()).ok()
}
