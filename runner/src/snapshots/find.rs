//! Finding snapshots.

use std::sync::Arc;

use super::{Snapshot, SnapshotInfo, SnapshotUse};
use crate::{Cursor, Page, Runner, SnapshotError, VmError, catalog::Missing, vms::page};

impl Runner {
    /// Finds a snapshot by id, name, or the beginning of exactly one id.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`] and [`SnapshotError::Ambiguous`].
    pub fn snapshot(&self, id_or_name: &str) -> Result<SnapshotInfo, SnapshotError> {
        Ok(self.find_snapshot(id_or_name)?.info())
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

    pub(super) fn find_snapshot(&self, id_or_name: &str) -> Result<Arc<Snapshot>, SnapshotError> {
        self.snapshot_catalog()
            .find(id_or_name)
            .map_err(|missing| match missing {
                Missing::None => SnapshotError::NotFound(id_or_name.to_owned()),
                Missing::Ambiguous => SnapshotError::Ambiguous(id_or_name.to_owned()),
            })
    }

    /// Keeps a snapshot from being removed while a VM is made of it.
    pub(crate) fn use_snapshot(&self, id_or_name: &str) -> Result<SnapshotUse, VmError> {
        let missing = || VmError::NoSnapshot(id_or_name.to_owned());
        let found = self.snapshot_catalog().find(id_or_name);
        let found = found.map_err(|why| match why {
            Missing::None => missing(),
            Missing::Ambiguous => VmError::AmbiguousSnapshot(id_or_name.to_owned()),
        })?;
        found.use_it().ok_or_else(missing)
    }
}
