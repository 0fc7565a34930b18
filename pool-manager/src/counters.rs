//! What has happened on the node since its start.

use std::sync::atomic::AtomicU64;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Restores that succeeded.
    pub(crate) restores: AtomicU64,
    /// Restores that failed.
    pub(crate) restore_failures: AtomicU64,
    /// Restores of snapshots and forks that succeeded: into a shell that waited for it, or into one of its own.
    pub(crate) copies_into_waiting: AtomicU64,
    pub(crate) copies_into_spawned: AtomicU64,
    /// VMMs that ended without being asked to.
    pub(crate) crashes: AtomicU64,
}
