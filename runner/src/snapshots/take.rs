//! Taking a snapshot of a VM.

use std::sync::Arc;

use thaw_pool_manager::SnapshotId;

use super::{Snapshot, SnapshotInfo};
use crate::{
    EventKind, Metadata, Runner, SnapshotError, VmError, VmStatus, catalog::Owner, clock::now_ms,
    vms::Vm,
};

/// A snapshot to take.
#[derive(Debug, Clone)]
pub struct TakeSnapshot {
    /// Its name, which no other snapshot has.
    pub name: String,
    /// Its id, for surfaces that promise one; a random one when absent.
    pub id: Option<SnapshotId>,
    /// What its owner notes. Absent: what is noted of the VM.
    pub metadata: Option<Metadata>,
    /// The id of the API key that takes it.
    pub owner: Owner,
}

impl Runner {
    /// Takes a snapshot of a running or paused VM, which goes on as it was. It is on the disk when this returns.
    ///
    /// # Errors
    /// See [`SnapshotError`]; no snapshot is left then, and its name is free.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped, and is removed at its end.
    pub async fn take_snapshot(
        &self,
        vm: &str,
        mut call: TakeSnapshot,
    ) -> Result<SnapshotInfo, SnapshotError> {
        self.refuse_new()?;
        let vm = self.find_vm(vm)?;
        let id = match call.id.take() {
            Some(id) if self.is_called(&id) => {
                return Err(SnapshotError::NameTaken(id.to_string()));
            }
            Some(id) => id,
            None => random_id()?,
        };
        let claim = self
            .snapshot_catalog()
            .claim(call.owner.clone(), vec![Some(call.name.clone())])?;
        let (runner, undo_id) = (self.clone(), id.clone());
        let take = async move {
            let info = runner.freeze(&vm, id, call).await?;
            if let Err(error) = runner.store().enter_snapshot(info.clone()).await {
                runner.remove_artifact(&info.id).await;
                return Err(error.into());
            }
            claim.enter(vec![Snapshot::new(info.clone())]);
            runner.tell_snapshot(EventKind::SnapshotCreated, &info);
            Ok(info)
        };
        self.finish_or_undo(take, move |runner, _| async move {
            if let Err(error) = runner.delete_snapshot(&undo_id).await {
                tracing::warn!(snapshot = %undo_id, %error, "could not remove a snapshot whose caller left");
            }
        })
        .await
    }

    /// Has the node take a snapshot of a VM, and says what is to be noted of it.
    pub(super) async fn freeze(
        &self,
        vm: &Arc<Vm>,
        id: SnapshotId,
        call: TakeSnapshot,
    ) -> Result<SnapshotInfo, SnapshotError> {
        let gone = || VmError::NotFound(vm.id().to_string());
        let turn = vm.turn().await.ok_or_else(gone)?;
        let parent = turn.info();
        if let VmStatus::Stopped { reason } = parent.state {
            let id = parent.id;
            return Err(VmError::Stopped { id, reason }.into());
        }
        let metadata = Metadata::inherited(call.metadata, parent.metadata)?;
        let taken = self.node().snapshot(&parent.id, &id).await?;
        drop(turn);
        Ok(SnapshotInfo {
            id,
            name: call.name,
            vm: parent.id,
            vm_name: parent.name,
            template: taken.template,
            image: taken.image,
            image_name: parent.image_name,
            shape: taken.shape,
            env: parent.env,
            metadata,
            created_at_ms: now_ms(),
            owner: call.owner,
            memory_bytes: taken.memory_bytes,
            disk_bytes: taken.disk_bytes,
            paused: taken.paused,
            total: taken.total,
            unusable: None,
        })
    }

    /// Whether a snapshot has this id or name; the beginning of one is not enough.
    fn is_called(&self, id: &SnapshotId) -> bool {
        let found = self.snapshot(id.as_str());
        found.is_ok_and(|found| found.id == *id || found.name == id.as_str())
    }

    /// Removes what the node has of a snapshot that has no row. What can't be removed now is removed at the next
    /// start.
    pub(crate) async fn remove_artifact(&self, id: &SnapshotId) {
        if let Err(error) = self.node().remove_snapshot(id).await {
            tracing::warn!(snapshot = %id, %error, "could not remove a snapshot that has no row");
        }
    }
}

pub(super) fn random_id() -> Result<SnapshotId, SnapshotError> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).map_err(SnapshotError::NoEntropy)?;
    SnapshotId::try_from(format!("snap-{}", hex::encode(bytes))).map_err(SnapshotError::Id)
}
