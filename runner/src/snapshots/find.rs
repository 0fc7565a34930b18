//! Finding snapshots.

use std::sync::Arc;

use thaw_pool_manager::SnapshotId;

use super::{Snapshot, SnapshotInfo, SnapshotUse};
use crate::{Cursor, Page, Runner, SnapshotError, VmError, catalog::Missing, vms::page};

/// Which snapshot is meant.
#[derive(Debug, Clone, Copy)]
pub enum SnapshotRef<'a> {
    /// The one of this id or name, or the only one whose id begins so.
    Text(&'a str),
    /// The one of this id. When it is gone, no other is meant.
    Exactly(&'a SnapshotId),
}

impl SnapshotRef<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Exactly(id) => id.as_str(),
        }
    }
}

impl<'a> From<&'a str> for SnapshotRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for SnapshotRef<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a SnapshotId> for SnapshotRef<'a> {
    fn from(id: &'a SnapshotId) -> Self {
        Self::Exactly(id)
    }
}

impl Runner {
    /// Finds a snapshot by id, name, or the beginning of exactly one id.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`] and [`SnapshotError::Ambiguous`].
    pub fn snapshot(&self, id_or_name: &str) -> Result<SnapshotInfo, SnapshotError> {
        Ok(self.find_snapshot(id_or_name.into())?.info())
    }

    /// The snapshots whose metadata has every key of `metadata` with an equal value, newest first: at most
    /// `limit`, behind `after`.
    pub fn snapshots(
        &self,
        metadata: &serde_json::Map<String, serde_json::Value>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Page<SnapshotInfo> {
        let all = self.snapshot_catalog().all();
        let mut snapshots: Vec<SnapshotInfo> = all.iter().map(|found| found.info()).collect();
        snapshots.retain(|snapshot| snapshot.metadata.contains(metadata));
        let at = |found: &SnapshotInfo| Cursor::new(found.created_at_ms, found.id.as_str());
        page(snapshots, at, after, limit)
    }

    pub(super) fn find_snapshot(
        &self,
        which: SnapshotRef<'_>,
    ) -> Result<Arc<Snapshot>, SnapshotError> {
        let found = self.look_up(which);
        found.map_err(|missing| not_found(missing, which))
    }

    /// One that is to be removed.
    pub(super) fn find_snapshot_to_end(
        &self,
        which: SnapshotRef<'_>,
    ) -> Result<Arc<Snapshot>, SnapshotError> {
        let found = match which {
            SnapshotRef::Text(text) => self.snapshot_catalog().find_to_end(text),
            SnapshotRef::Exactly(_) => self.look_up(which),
        };
        found.map_err(|missing| not_found(missing, which))
    }

    /// Keeps a snapshot from being removed while a VM is made of it.
    pub(crate) fn use_snapshot(&self, which: SnapshotRef<'_>) -> Result<SnapshotUse, VmError> {
        let missing = || VmError::NoSnapshot(which.as_str().to_owned());
        let found = self.look_up(which).map_err(|why| match why {
            Missing::None => missing(),
            Missing::Ambiguous | Missing::TooShort => {
                VmError::AmbiguousSnapshot(which.as_str().to_owned())
            }
        })?;
        found.use_it().ok_or_else(missing)
    }

    fn look_up(&self, which: SnapshotRef<'_>) -> Result<Arc<Snapshot>, Missing> {
        let catalog = self.snapshot_catalog();
        match which {
            SnapshotRef::Text(text) => catalog.find(text),
            SnapshotRef::Exactly(id) => catalog.get(id.as_str()).ok_or(Missing::None),
        }
    }
}

fn not_found(missing: Missing, which: SnapshotRef<'_>) -> SnapshotError {
    let asked = which.as_str().to_owned();
    match missing {
        Missing::None => SnapshotError::NotFound(asked),
        Missing::Ambiguous => SnapshotError::Ambiguous(asked),
        Missing::TooShort => SnapshotError::TooShort(asked),
    }
}
