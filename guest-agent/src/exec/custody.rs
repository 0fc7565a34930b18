//! Whose a running program is.
//!
//! ```text
//! starting ──hold──► the stream's that asked for it ──its end──► sent, done
//!                        ├── the stream ends ─► killed
//!                        └── the session ends while the guest is at rest ─► kept: nobody's, lives on
//! ```

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};
use tokio_util::task::TaskTracker;

use super::{Leftovers, Running};
use crate::rest::Starting;

/// Says of one session's programs, when it ends, whether they are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastWill(Arc<AtomicBool>);

impl LastWill {
    /// The programs of this session are kept.
    pub(crate) fn keep(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Programs that nobody waits for any more: as many as there are operations at most.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    tracker: TaskTracker,
    runtime: Handle,
    leftovers: Leftovers,
}

impl Keeper {
    /// Programs are attended to on `runtime`.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            tracker: TaskTracker::new(),
            runtime,
            leftovers: Leftovers::default(),
        }
    }

    pub(crate) fn leftovers(&self) -> &Leftovers {
        &self.leftovers
    }
}

/// What a program that is being started is handed over to.
#[derive(Debug)]
pub(crate) struct Custody {
    pub(crate) starting: Starting,
    pub(crate) permit: OwnedSemaphorePermit,
    pub(crate) will: LastWill,
    pub(crate) keeper: Keeper,
}

impl Custody {
    /// The program has been started.
    pub(super) fn hold(self, running: Running) -> Held {
        drop(self.starting);
        Held {
            parts: Some((running, self.permit)),
            will: self.will,
            keeper: self.keeper,
        }
    }
}

/// A program that runs. Dropping it kills it, unless it is to be kept.
#[derive(Debug)]
pub(super) struct Held {
    /// `None` once it has been taken out.
    parts: Option<(Running, OwnedSemaphorePermit)>,
    will: LastWill,
    keeper: Keeper,
}

impl Held {
    pub(super) fn leftovers(&self) -> &Leftovers {
        &self.keeper.leftovers
    }

    /// The program, until it is released.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        self.parts.as_mut().map(|(running, _)| running)
    }

    /// Takes the program out; from here on it is the caller's.
    pub(super) fn release(mut self) -> Option<Running> {
        self.parts.take().map(|(running, _)| running)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((running, permit)) = self.parts.take() else {
            return;
        };
        if self.will.0.load(Ordering::Relaxed) {
            let leftovers = self.keeper.leftovers.clone();
            let life = async move {
                running.live_on(&leftovers).await;
                drop(permit);
            };
            self.keeper.tracker.spawn_on(life, &self.keeper.runtime);
        }
    }
}
