//! Names and ids.
//!
//! A VM is found by exactly its id: clients look names up themselves, and the beginning of an id, which our own
//! surface takes, is an unknown id here. BandSox's snapshots have their name for an id until they are renamed; ours
//! keep that id for good, and are found by their new name too.

use thaw_runner::{SnapshotInfo, VmInfo, node::SnapshotId};

use super::error::Detail;
use crate::state::App;

/// The id that a snapshot of this name gets, if the name has the form of an id.
pub(super) fn id_of(name: &str) -> Option<SnapshotId> {
    SnapshotId::try_from(name.to_owned()).ok()
}

/// The VM that has exactly this id.
pub(super) fn vm(app: &App, id: &str) -> Result<VmInfo, Detail> {
    let found = app.runner.vm(id).ok();
    found
        .filter(|found| found.id.as_str() == id)
        .ok_or_else(|| Detail::not_found("VM"))
}

/// Refuses what is no VM's id, in the words for VMs in which something was to be done.
pub(super) fn usable_vm(app: &App, id: &str) -> Result<(), Detail> {
    let missing = |missing: Detail| missing.saying("VM not found or not running");
    vm(app, id).map(drop).map_err(missing)
}

/// The snapshot that has exactly this id or name.
pub(super) fn snapshot(app: &App, id: &str) -> Result<SnapshotInfo, Detail> {
    let found = app.runner.snapshot(id).ok();
    found
        .filter(|found| found.id.as_str() == id || found.name == id)
        .ok_or_else(|| Detail::not_found("Snapshot"))
}
