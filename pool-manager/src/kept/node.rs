//! The node's side of it.

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::{
    ConsoleStream, HostUsage, KeptVm, LeaseId, LocalNode, NodeVms, VmError, VmEvent,
    grow::grow_disk,
};

#[async_trait]
impl NodeVms for LocalNode {
    async fn keep(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.kept_vms().keep(lease).await
    }

    async fn grow_disk(&self, lease: &LeaseId, disk_bytes: u64) -> Result<(), VmError> {
        let leased = self.leased(lease)?;
        let Some(machine) = leased.machine() else {
            return Err(VmError::Unknown(lease.clone()));
        };
        grow_disk(&*machine, disk_bytes)
            .await
            .map_err(|source| VmError::Control {
                id: lease.clone(),
                attempt: "grow the disk of",
                source: Box::new(source),
            })
    }

    async fn kept(&self) -> Vec<KeptVm> {
        self.kept_vms().all()
    }

    async fn pause(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.kept_vms().pause(lease).await
    }

    async fn resume(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.kept_vms().resume(lease).await
    }

    async fn power_off(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.kept_vms().power_off(lease).await
    }

    async fn boot(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.kept_vms().boot(lease).await
    }

    async fn host_usage(&self, lease: &LeaseId) -> Result<HostUsage, VmError> {
        self.kept_vms().host_usage(lease).await
    }

    async fn console(&self, lease: &LeaseId, follow: bool) -> Result<ConsoleStream, VmError> {
        self.kept_vms().console(lease, follow)
    }

    fn vm_events(&self) -> broadcast::Receiver<VmEvent> {
        self.kept_vms().events()
    }
}
