//! Removing a snapshot.

use std::sync::Arc;

use thaw_pool_manager::AdminError;

use super::{SnapshotRef, snapshot::Turn};
use crate::{EventKind, Runner, SnapshotError};

impl Runner {
    /// Removes a snapshot. VMs that were restored from it go on.
    ///
    /// # Errors
    /// [`SnapshotError::InUse`] while a VM is being restored from it; see [`SnapshotError`]. Whoever restores
    /// while it is being removed is told that it does not exist.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn delete_snapshot(
        &self,
        which: impl Into<SnapshotRef<'_>>,
    ) -> Result<(), SnapshotError> {
        let which = which.into();
        let snapshot = self.find_snapshot_to_end(which)?;
        let (runner, asked) = (self.clone(), which.as_str().to_owned());
        self.finish(async move {
            let turn = snapshot.turn().await;
            let turn = turn.ok_or(SnapshotError::NotFound(asked))?;
            runner.delete_on_turn(turn).await
        })
        .await
    }

    /// The artifact goes first: a daemon that is killed now finds a row without one, and removes it.
    async fn delete_on_turn(&self, turn: Turn) -> Result<(), SnapshotError> {
        let info = turn.info();
        let snapshot = Arc::clone(turn.snapshot());
        let Some(closed) = snapshot.close() else {
            return Err(SnapshotError::InUse(info.name));
        };
        match self.node().remove_snapshot(&info.id).await {
            Ok(()) | Err(AdminError::NotFound { .. }) => {}
            Err(AdminError::InUse { .. }) => return Err(SnapshotError::InUse(info.name)),
            Err(error) => return Err(SnapshotError::Remove(error)),
        }
        self.store().remove_snapshot(&info.id).await?;
        self.snapshot_catalog()
            .remove(info.id.as_str(), Some(&info.name));
        turn.gone();
        drop(closed);
        self.tell_snapshot(EventKind::SnapshotDeleted, &info);
        Ok(())
    }
}
