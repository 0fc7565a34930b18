//! Who may start programs, and since when nobody may.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thaw_guest_protocol::{FailureKind, Handover};
use tokio::{
    sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock},
    time::timeout,
};

use super::freezer::{Freezer, Frozen};
use crate::failure::OperationError;

/// How long programs may take to stand still. One that waits for a disk does within milliseconds; one
/// that waits for another program in the kernel, and that one is frozen, never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the guest's programs run. The only writer is the one who holds `standing`.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Set once, where the machine is the agent's own; elsewhere only the gate closes.
    freezer: OnceLock<Freezer>,
    /// Read by those who start a program, written by those who bring all to rest.
    gate: Arc<RwLock<()>>,
    standing: tokio::sync::Mutex<Option<Standing>>,
    at_rest: AtomicBool,
    /// The word of who may take over the connection while programs stand still.
    handover: Mutex<Option<Handover>>,
}

/// Programs stand still for as long as this is there.
#[derive(Debug)]
struct Standing {
    // In this order: frozen programs go on before new ones start.
    _frozen: Option<Frozen>,
    _gate: OwnedRwLockWriteGuard<()>,
}

/// The right to start a program; whoever brings the guest to rest waits until it is dropped.
#[derive(Debug)]
pub(crate) struct Starting(
    #[expect(dead_code, reason = "held, not read")] OwnedRwLockReadGuard<()>,
);

impl Rest {
    /// Takes the means to freeze programs; the first one stays.
    pub(crate) fn freeze_with(&self, freezer: Freezer) {
        // A second one would do the same.
        let _ = self.freezer.set(freezer);
    }

    /// Waits until programs run.
    pub(crate) async fn starting(&self) -> Starting {
        Starting(Arc::clone(&self.gate).read_owned().await)
    }

    /// Whether programs stand still.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.at_rest.load(Ordering::Relaxed)
    }

    /// The word with which another host may take over the connection now.
    pub(crate) fn handover(&self) -> Option<Handover> {
        self.word().clone()
    }

    fn word(&self) -> MutexGuard<'_, Option<Handover>> {
        // Every update is one assignment, so a panic elsewhere can't have left it half-done.
        self.handover.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings every program to rest, and lets whoever knows `handover` take over the connection. Programs
    /// that are at rest stay so.
    ///
    /// # Errors
    /// When one does not stand still in time, or the kernel refuses; all go on then.
    ///
    /// # Cancel safety
    /// Dropped before it returns, all go on.
    pub(crate) async fn quiesce(&self, handover: Option<Handover>) -> Result<(), OperationError> {
        let mut standing = self.standing.lock().await;
        if standing.is_some() {
            *self.word() = handover;
            return Ok(());
        }
        let quiet = timeout(PATIENCE, self.stand_still()).await.map_err(|_| {
            OperationError::refused(
                FailureKind::System,
                format!("a program did not stand still within {PATIENCE:?}"),
            )
        })??;
        *standing = Some(quiet);
        *self.word() = handover;
        self.at_rest.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Lets the programs go on; does nothing when they run.
    pub(crate) async fn go_on(&self) {
        let standing = self.standing.lock().await.take();
        *self.word() = None;
        self.at_rest.store(false, Ordering::Relaxed);
        drop(standing);
    }

    async fn stand_still(&self) -> Result<Standing, OperationError> {
        let gate = Arc::clone(&self.gate).write_owned().await;
        let frozen = match self.freezer.get() {
            None => None,
            Some(freezer) => Some(
                freezer
                    .freeze()
                    .await
                    .map_err(|error| OperationError::io("freeze the programs", &error))?,
            ),
        };
        Ok(Standing {
            _frozen: frozen,
            _gate: gate,
        })
    }
}
