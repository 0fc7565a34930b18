//! Changing what is noted of a snapshot.

use serde_json::{Map, Value};

use super::{SnapshotInfo, SnapshotRef};
use crate::{EventKind, Metadata, Runner, SnapshotError};

/// What to change; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct SnapshotChange {
    /// A new name that no other snapshot has.
    pub name: Option<String>,
    /// New metadata in place of all of the old but [`KEPT_KEY`](crate::KEPT_KEY).
    pub metadata: Option<Metadata>,
    /// A JSON merge patch (RFC 7396) for the metadata.
    pub merge: Option<Map<String, Value>>,
}

impl Runner {
    /// Changes what is noted of a snapshot: all of it, or nothing and an error.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn change_snapshot(
        &self,
        which: impl Into<SnapshotRef<'_>>,
        change: SnapshotChange,
    ) -> Result<SnapshotInfo, SnapshotError> {
        let which = which.into();
        let snapshot = self.find_snapshot(which)?;
        let (runner, asked) = (self.clone(), which.as_str().to_owned());
        self.finish(async move {
            let turn = snapshot.turn().await;
            let turn = turn.ok_or(SnapshotError::NotFound(asked))?;
            let before = turn.info();
            let mut after = before.clone();
            if let Some(metadata) = change.metadata {
                after.metadata = metadata;
            }
            if let Some(merge) = change.merge {
                after.metadata = after.metadata.merged(merge)?;
            }
            after.metadata = after.metadata.in_place_of(&before.metadata)?;
            let mut new_name = None;
            if let Some(name) = change.name.filter(|name| *name != before.name) {
                new_name = Some(runner.snapshot_catalog().claim_name(name.clone())?);
                after.name = name;
            }
            if after == before {
                return Ok(before);
            }
            turn.write(runner.store(), after.clone()).await?;
            if let Some(name) = new_name {
                name.give(after.id.as_str(), Some(&before.name));
            }
            runner.tell_snapshot(EventKind::SnapshotUpdated, &after);
            Ok(after)
        })
        .await
    }
}
