//! What has happened on the node since its start.

use std::sync::atomic::AtomicU64;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Restores that succeeded.
    pub(crate) restores: AtomicU64,
    /// Restores that failed.
    pub(crate) restore_failures: AtomicU64,
    /// VMMs that ended without being asked to.
    pub(crate) crashes: AtomicU64,
}
