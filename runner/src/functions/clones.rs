//! Clones of a function, from the lease to the release, and those that wait to be used again.
//!
//! ```text
//! lease ─► clone ─► an event ─┬─ it is fit, and reuse is left ──► waits ─► an event …
//!                             ├─ any doubt ─────────────────────► released
//!                             └─ idle for too long, removed,
//!                                room is needed on the node ────► released
//! ```

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use thaw_pool_manager::{Lease, Node};

/// A leased clone. Dropping it gives it back, which ends it.
#[derive(Debug)]
pub(crate) struct FunctionClone {
    pub(crate) lease: Lease,
    node: Arc<dyn Node>,
    /// Events that it has served.
    served: u32,
}

impl FunctionClone {
    pub(crate) fn new(lease: Lease, node: Arc<dyn Node>) -> Self {
        Self {
            lease,
            node,
            served: 0,
        }
    }

    /// Whether it may serve another event after the next.
    pub(crate) fn may_serve_more(&self, reuse: u32) -> bool {
        self.served.saturating_add(1) < reuse
    }
}

impl Drop for FunctionClone {
    fn drop(&mut self) {
        self.node.release(&self.lease.id);
    }
}

/// Clones of one version that wait to be used again; beyond the bound they are released.
#[derive(Debug)]
pub(crate) struct Clones {
    reuse: u32,
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    clones: Vec<(FunctionClone, Instant)>,
    closed: bool,
}

impl Clones {
    pub(crate) fn new(reuse: u32, most: u32) -> Self {
        Self {
            reuse,
            most: most as usize,
            waiting: Mutex::default(),
        }
    }

    /// The one that was used last, so that the others become idle.
    pub(crate) fn take(&self) -> Option<FunctionClone> {
        self.waiting().clones.pop().map(|(clone, _)| clone)
    }

    /// Takes back a clone that has served an event well; it is released when it has served enough.
    pub(crate) fn give_back(&self, mut clone: FunctionClone) {
        clone.served += 1;
        if clone.served >= self.reuse {
            return;
        }
        let mut waiting = self.waiting();
        if !waiting.closed && waiting.clones.len() < self.most {
            waiting.clones.push((clone, Instant::now()));
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.waiting().clones.len()
    }

    /// Releases those that have waited for longer than `idle`.
    pub(crate) fn release_idle(&self, idle: Duration) {
        self.waiting()
            .clones
            .retain(|(_, since)| since.elapsed() < idle);
    }

    /// Since when the one waits that has waited longest.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.waiting().clones.first().map(|(_, since)| *since)
    }

    /// Releases the one that has waited longest; whether there was one.
    pub(crate) fn release_oldest(&self) -> bool {
        let mut waiting = self.waiting();
        let is_there = !waiting.clones.is_empty();
        waiting.clones.drain(..usize::from(is_there));
        is_there
    }

    /// Releases all, and takes none any more.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.clones.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Every update is one call, so a panic elsewhere can't have left it half-done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
