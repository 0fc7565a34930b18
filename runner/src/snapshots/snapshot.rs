//! One snapshot in memory: what is known of it, who uses it, and whose turn it is to change it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thaw_pool_manager::SnapshotId;
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::SnapshotInfo;
use crate::{
    catalog::{Entry, Owner},
    store::{Store, StoreError},
};

/// A snapshot.
#[derive(Debug)]
pub(crate) struct Snapshot {
    id: SnapshotId,
    owner: Owner,
    turn: Arc<tokio::sync::Mutex<()>>,
    uses: Arc<RwLock<()>>,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    info: SnapshotInfo,
    gone: bool,
}

/// Keeps a snapshot from being removed while VMs are made of it.
#[derive(Debug)]
pub(crate) struct SnapshotUse {
    snapshot: Arc<Snapshot>,
    _use: OwnedRwLockReadGuard<()>,
}

/// The right to change a snapshot. There is one at a time.
#[derive(Debug)]
pub(super) struct Turn {
    snapshot: Arc<Snapshot>,
    _turn: OwnedMutexGuard<()>,
}

impl Entry for Snapshot {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn owner(&self) -> Owner {
        self.owner.clone()
    }
}

impl Snapshot {
    pub(crate) fn new(info: SnapshotInfo) -> Arc<Self> {
        Arc::new(Self {
            id: info.id.clone(),
            owner: info.owner.clone(),
            turn: Arc::default(),
            uses: Arc::default(),
            now: Mutex::new(Now { info, gone: false }),
        })
    }

    pub(crate) fn info(&self) -> SnapshotInfo {
        self.lock().info.clone()
    }

    /// `None` when it is being removed.
    pub(super) fn use_it(self: &Arc<Self>) -> Option<SnapshotUse> {
        let guard = Arc::clone(&self.uses).try_read_owned().ok()?;
        (!self.lock().gone).then(|| SnapshotUse {
            snapshot: Arc::clone(self),
            _use: guard,
        })
    }

    /// Keeps everybody from using it. `None` when somebody does.
    pub(super) fn close(self: &Arc<Self>) -> Option<OwnedRwLockWriteGuard<()>> {
        Arc::clone(&self.uses).try_write_owned().ok()
    }

    /// Waits for the turn. `None` when it is gone.
    ///
    /// # Cancel safety
    /// Nothing is taken.
    pub(super) async fn turn(self: &Arc<Self>) -> Option<Turn> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        (!self.lock().gone).then(|| Turn {
            snapshot: Arc::clone(self),
            _turn: turn,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // Every update is one assignment.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SnapshotUse {
    pub(crate) fn info(&self) -> SnapshotInfo {
        self.snapshot.info()
    }

    /// Nothing can be restored from it, for this reason.
    pub(crate) fn note_unusable(&self, reason: &str) {
        self.snapshot.lock().info.unusable = Some(reason.to_owned());
    }
}

impl Turn {
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    pub(super) fn info(&self) -> SnapshotInfo {
        self.snapshot.info()
    }

    /// Writes the row, then what is known.
    pub(super) async fn write(&self, store: &Store, info: SnapshotInfo) -> Result<(), StoreError> {
        store.update_snapshot(info.clone()).await?;
        self.snapshot.lock().info = info;
        Ok(())
    }

    /// It is removed: nobody gets its turn or uses it any more.
    pub(super) fn gone(self) {
        self.snapshot.lock().gone = true;
    }
}
