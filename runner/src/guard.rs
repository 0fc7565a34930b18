//! The guard of a lease.

use std::sync::Arc;

use thaw_pool_manager::{Lease, Node};

/// Holds a lease and gives it back when dropped.
#[derive(Debug)]
pub(crate) struct LeaseGuard {
    lease: Lease,
    node: Arc<dyn Node>,
}

impl LeaseGuard {
    pub(crate) fn new(lease: Lease, node: Arc<dyn Node>) -> Self {
        Self { lease, node }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.node.release(&self.lease.id);
    }
}
