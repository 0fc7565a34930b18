//! Snapshots and forks of this node's VMs: it takes none yet, and says so.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    AdminError, Fork, LeaseId, LocalNode, NodeSnapshots, SnapshotError, SnapshotId, SnapshotInfo,
};

#[async_trait]
impl NodeSnapshots for LocalNode {
    async fn snapshot(&self, _: &LeaseId, _: &SnapshotId) -> Result<SnapshotInfo, SnapshotError> {
        Err(SnapshotError::Unsupported)
    }

    async fn snapshots(&self) -> Vec<SnapshotInfo> {
        Vec::new()
    }

    async fn remove_snapshot(&self, id: &SnapshotId) -> Result<(), AdminError> {
        Err(AdminError::NotFound {
            kind: "snapshot",
            name: id.to_string(),
        })
    }

    async fn fork(&self, _: &LeaseId, _: u32, _: Duration) -> Result<Fork, SnapshotError> {
        Err(SnapshotError::Unsupported)
    }
}
