//! A node whose VMs are real leases on the fake engine and whose snapshots are notes: restoring one makes a
//! new VM of the template.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use thaw_runner::node::{
    AddImage, AdminError, BakeFunction, ConsoleStream, ExecError, ExecHandle, ExecRequest, Fork,
    GuestStream, HostUsage, ImageInfo, InsideRequest, InvokeHandle, InvokeRequest, KeptVm, Lease,
    LeaseError, LeaseId, LeaseRequest, LocalNode, Node, NodeFigures, NodeFunctions, NodeSnapshots,
    NodeVms, PoolInfo, PoolSettings, Shortage, SnapshotError, SnapshotId, SnapshotInfo,
    StoredSnapshot, TemplateId, TemplateInfo, TemplateSelector, VmError, VmEvent,
    image::ProgressSink,
};
use tokio::sync::broadcast;

use crate::support::selector;

/// The notes; they outlive the node.
pub(crate) type Taken = Arc<Mutex<BTreeMap<SnapshotId, SnapshotInfo>>>;

#[derive(Debug)]
pub(crate) struct Double {
    pub(crate) inner: LocalNode,
    pub(crate) taken: Taken,
}

#[async_trait::async_trait]
impl NodeSnapshots for Double {
    async fn snapshot(
        &self,
        lease: &LeaseId,
        id: &SnapshotId,
    ) -> Result<SnapshotInfo, SnapshotError> {
        let kept = self.inner.kept().await;
        let vm = kept.into_iter().find(|vm| vm.id == *lease);
        let vm = vm.ok_or_else(|| VmError::Unknown(lease.clone()))?;
        let templates = self.inner.templates().await;
        let template = templates.into_iter().find(|known| known.id == vm.template);
        let template = template.unwrap();
        let info = SnapshotInfo {
            id: id.clone(),
            template: template.id,
            image: template.image,
            shape: template.shape,
            memory_bytes: 1,
            disk_bytes: 2,
            created_at: 3,
            paused: Duration::from_millis(4),
            total: Duration::from_millis(5),
        };
        let mut taken = self.taken.lock().unwrap();
        if taken.contains_key(id) {
            return Err(SnapshotError::Exists(id.clone()));
        }
        taken.insert(id.clone(), info.clone());
        Ok(info)
    }

    async fn snapshots(&self) -> Vec<StoredSnapshot> {
        let taken = self.taken.lock().unwrap();
        taken
            .values()
            .cloned()
            .map(StoredSnapshot::Usable)
            .collect()
    }

    async fn remove_snapshot(&self, id: &SnapshotId) -> Result<(), AdminError> {
        tokio::task::yield_now().await;
        match self.taken.lock().unwrap().remove(id) {
            Some(_) => Ok(()),
            None => Err(AdminError::NotFound {
                kind: "snapshot",
                name: id.to_string(),
            }),
        }
    }

    async fn fork(&self, _: &LeaseId, count: u32, within: Duration) -> Result<Fork, SnapshotError> {
        let mut leases = Vec::new();
        for _ in 0..count {
            let request = LeaseRequest {
                template: selector(),
                start_within: within,
            };
            let lease = self.inner.lease(request).await?;
            wake(&self.inner, &lease.id).await;
            leases.push(lease);
        }
        Ok(Fork {
            leases,
            paused: Duration::from_millis(1),
            at_rest: Duration::from_millis(1),
            total: Duration::from_millis(2),
        })
    }
}

async fn wake(node: &LocalNode, lease: &LeaseId) {
    let mut handle = node
        .exec(lease, crate::support::request(&["true"]))
        .await
        .unwrap();
    while handle.output.recv().await.is_some() {}
}

#[async_trait::async_trait]
impl NodeFunctions for Double {
    async fn bake_function(
        &self,
        request: BakeFunction,
        progress: &ProgressSink,
    ) -> Result<TemplateInfo, LeaseError> {
        self.inner.bake_function(request, progress).await
    }

    fn shortage(&self) -> tokio::sync::watch::Receiver<Shortage> {
        self.inner.shortage()
    }

    async fn invoke(
        &self,
        lease: &LeaseId,
        request: InvokeRequest,
    ) -> Result<InvokeHandle, ExecError> {
        self.inner.invoke(lease, request).await
    }
}

#[async_trait::async_trait]
impl NodeVms for Double {
    async fn keep(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.inner.keep(lease).await
    }

    async fn grow_disk(&self, lease: &LeaseId, disk_bytes: u64) -> Result<(), VmError> {
        self.inner.grow_disk(lease, disk_bytes).await
    }

    async fn kept(&self) -> Vec<KeptVm> {
        self.inner.kept().await
    }

    async fn pause(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.inner.pause(lease).await
    }

    async fn resume(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.inner.resume(lease).await
    }

    async fn power_off(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.inner.power_off(lease).await
    }

    async fn boot(&self, lease: &LeaseId) -> Result<(), VmError> {
        self.inner.boot(lease).await
    }

    async fn host_usage(&self, lease: &LeaseId) -> Result<HostUsage, VmError> {
        self.inner.host_usage(lease).await
    }

    async fn console(&self, lease: &LeaseId, follow: bool) -> Result<ConsoleStream, VmError> {
        self.inner.console(lease, follow).await
    }

    fn vm_events(&self) -> broadcast::Receiver<VmEvent> {
        self.inner.vm_events()
    }
}

#[async_trait::async_trait]
impl Node for Double {
    async fn lease(&self, mut request: LeaseRequest) -> Result<Lease, LeaseError> {
        if let TemplateSelector::Snapshot(id) = &request.template {
            if !self.taken.lock().unwrap().contains_key(id) {
                return Err(LeaseError::UnknownSnapshot(id.clone()));
            }
            request.template = selector();
        }
        self.inner.lease(request).await
    }

    async fn exec(&self, lease: &LeaseId, request: ExecRequest) -> Result<ExecHandle, ExecError> {
        self.inner.exec(lease, request).await
    }

    async fn inside(
        &self,
        lease: &LeaseId,
        request: InsideRequest,
    ) -> Result<GuestStream, ExecError> {
        self.inner.inside(lease, request).await
    }

    fn release(&self, lease: &LeaseId) {
        self.inner.release(lease);
    }

    async fn images(&self) -> Vec<ImageInfo> {
        self.inner.images().await
    }

    async fn add_image(
        &self,
        request: AddImage,
        progress: &ProgressSink,
    ) -> Result<ImageInfo, AdminError> {
        self.inner.add_image(request, progress).await
    }

    async fn remove_image(&self, name_or_digest: &str) -> Result<(), AdminError> {
        self.inner.remove_image(name_or_digest).await
    }

    async fn templates(&self) -> Vec<TemplateInfo> {
        self.inner.templates().await
    }

    async fn ensure_template(
        &self,
        selector: &TemplateSelector,
        progress: &ProgressSink,
    ) -> Result<TemplateInfo, LeaseError> {
        self.inner.ensure_template(selector, progress).await
    }

    async fn remove_template(&self, template: &TemplateId) -> Result<(), AdminError> {
        self.inner.remove_template(template).await
    }

    async fn pools(&self) -> Vec<PoolInfo> {
        self.inner.pools().await
    }

    async fn set_pool(
        &self,
        selector: &TemplateSelector,
        settings: PoolSettings,
    ) -> Result<PoolInfo, AdminError> {
        self.inner.set_pool(selector, settings).await
    }

    async fn figures(&self) -> NodeFigures {
        self.inner.figures().await
    }

    async fn shut_down(&self) {
        self.inner.shut_down().await;
    }
}
