//! Taking a snapshot in place of the one that has its name.
//!
//! ```text
//! place claimed ─► node: on disk, synced ─► nobody uses the old one ─► rows exchanged ─► told ─► old artifact removed
//!     killed before the exchange ──► the old one is there; the new artifact has no row: removed at the next start
//!     killed behind it           ──► the new one is there; the old artifact has no row: removed at the next start
//! ```

use std::sync::Arc;

use super::{Snapshot, SnapshotInfo, TakeSnapshot, take::random_id};
use crate::{EventKind, Runner, SnapshotError, catalog::Claim};

impl Runner {
    /// Takes a snapshot in place of the one that has its name. At every moment one of both has the name; for some
    /// of them both need room. The new one's id is a random one.
    ///
    /// # Errors
    /// [`SnapshotError::NameTaken`] when the name is another's id, [`SnapshotError::InUse`] while a VM is being
    /// restored from the old one; see [`SnapshotError`]. The old one is left as it was then.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped, and the new one stays.
    pub async fn replace_snapshot(
        &self,
        vm: &str,
        call: TakeSnapshot,
    ) -> Result<SnapshotInfo, SnapshotError> {
        self.refuse_new()?;
        let vm = self.find_vm(vm)?;
        let old = self.find_snapshot((&call.name).into())?;
        if old.info().name != call.name {
            return Err(SnapshotError::NameTaken(call.name));
        }
        let id = random_id()?;
        let claim = self
            .snapshot_catalog()
            .claim(call.owner.clone(), vec![None])?;
        let runner = self.clone();
        self.finish(async move {
            let new = runner.freeze(&vm, id, call).await?;
            if let Err(error) = runner.exchange(&old, claim, &new).await {
                runner.remove_artifact(&new.id).await;
                return Err(error);
            }
            runner.remove_artifact(&old.info().id).await;
            Ok(new)
        })
        .await
    }

    /// Gives the name, and the place in the database, to the new one.
    async fn exchange(
        &self,
        old: &Arc<Snapshot>,
        claim: Claim<Snapshot>,
        new: &SnapshotInfo,
    ) -> Result<(), SnapshotError> {
        let lost = || SnapshotError::NotFound(new.name.clone());
        let turn = old.turn().await.ok_or_else(lost)?;
        let before = turn.info();
        if before.name != new.name {
            return Err(lost());
        }
        let closed = old.close();
        let _closed = closed.ok_or_else(|| SnapshotError::InUse(new.name.clone()))?;
        self.store()
            .exchange_snapshots(&before.id, new.clone())
            .await?;
        claim.enter_in_place_of(Snapshot::new(new.clone()), before.id.as_str(), &new.name);
        turn.gone();
        self.tell_snapshot(EventKind::SnapshotDeleted, &before);
        self.tell_snapshot(EventKind::SnapshotCreated, new);
        Ok(())
    }
}
