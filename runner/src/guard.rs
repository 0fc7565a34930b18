//! The guard of a lease.

use std::sync::Arc;

use thaw_pool_manager::{Lease, Node};

/// Holds a lease and gives it back when dropped, unless its VM stays.
#[derive(Debug)]
pub(crate) struct LeaseGuard {
    lease: Lease,
    node: Arc<dyn Node>,
    stays: bool,
}

impl LeaseGuard {
    pub(crate) fn new(lease: Lease, node: Arc<dyn Node>) -> Self {
        Self {
            lease,
            node,
            stays: false,
        }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Takes note of the disk's new size.
    pub(crate) fn has_disk(&mut self, bytes: u64) {
        self.lease.disk_bytes = bytes;
    }

    /// The VM is recorded: whoever deletes it gives the lease back.
    pub(crate) fn stays(mut self) {
        self.stays = true;
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if !self.stays {
            self.node.release(&self.lease.id);
        }
    }
}
