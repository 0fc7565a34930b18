//! One image being made: its staging folder, its limits, and whether anyone still wants it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::error::AddError;
use crate::layers::Limits;
use crate::progress::{Progress, ProgressSink};

/// Name of the root filesystem's file in staging and image folders.
pub(crate) const ROOT_FILE: &str = "root.img";

/// Set when the caller has gone; blocking work looks at it between chunks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What every step of making an image needs. Clones go into blocking steps; the staging folder goes when the last clone
/// does, so that no step ever writes into a folder that is being removed.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    staging: Arc<TempDir>,
    pub(crate) limits: Limits,
    pub(crate) cancelled: Cancelled,
    progress: ProgressSink,
}

impl Work {
    /// Work in `staging`, and the guard whose end cancels it.
    pub(crate) fn new(
        staging: TempDir,
        limits: Limits,
        progress: ProgressSink,
    ) -> (Self, CancelOnDrop) {
        let cancelled = Cancelled::default();
        let guard = CancelOnDrop(cancelled.clone());
        let work = Self {
            staging: Arc::new(staging),
            limits,
            cancelled,
            progress,
        };
        (work, guard)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.staging.path()
    }

    pub(crate) fn report(&self, progress: Progress) {
        self.progress.report(progress);
    }
}

/// Cancels the blocking steps of a work when it goes.
pub(crate) struct CancelOnDrop(Cancelled);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Runs a blocking step on its own thread.
pub(crate) async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> Result<T, AddError> + Send + 'static,
) -> Result<T, AddError> {
    tokio::task::spawn_blocking(step)
        .await
        .map_err(AddError::Step)?
}
