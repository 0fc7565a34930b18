//! Making a VM of an image, a template or a snapshot.
//!
//! ```text
//! disk not too large? ─► claim (name, place) ─► lease ─► wake ─► disk grown ─► files ─► keep ─► row ─► entered, told
//!      a failure, or the caller leaves ──► the lease is released, the claim dropped: nothing is left
//! ```

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use thaw_pool_manager::{
    ExecError, InsideRequest, Lease, LeaseError, LeaseId, LeaseRequest, SnapshotId, StreamEvent,
    StreamInput, TemplateSelector, vmm::protocol::FileOperation,
};

use super::{Vm, VmInfo, VmStatus};
use crate::{
    EventKind, Metadata, Runner, VmError,
    catalog::{Claim, Owner},
    clock::now_ms,
    guard::LeaseGuard,
    snapshots::{SnapshotRef, SnapshotUse},
};

/// Pieces in which a file is handed to the guest.
const PIECE_BYTES: usize = 64 << 10;

/// Why a VM is deleted again that was made for nobody.
pub(super) const CALLER_LEFT: &str = "whoever asked for it left";

/// A VM to make.
#[derive(Debug, Clone)]
pub struct CreateVm {
    /// What it begins as.
    pub source: VmSource,
    /// A name that no other VM has.
    pub name: Option<String>,
    /// The least size of its disk in MiB; what its template or snapshot has when absent.
    pub disk_mib: Option<u64>,
    /// The environment of every program in it. Absent: the snapshot's, else nothing.
    pub env: Option<BTreeMap<String, String>>,
    /// What its owner notes. Absent: the snapshot's, else nothing.
    pub metadata: Option<Metadata>,
    /// Files that are in it before anybody hears of it.
    pub files: Vec<NewFile>,
    /// After this long without a request it is paused until the next one.
    pub idle_timeout: Option<Duration>,
    /// This long after its creation it is deleted.
    pub max_lifetime: Option<Duration>,
    /// A network is wanted. There are none yet, so the VM has none.
    pub network: bool,
    /// The id of the API key that makes it.
    pub owner: Owner,
    /// How long the caller waits for it, a bake included.
    pub start_within: Duration,
}

/// A file to write into a VM, with the folders that it needs.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Where in the guest; absolute.
    pub path: String,
    /// What is in it.
    pub content: Bytes,
}

/// What a VM begins as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmSource {
    /// A clone of a template.
    Template(TemplateSelector),
    /// What a snapshot holds: its id, name, or the beginning of exactly one id.
    Snapshot(String),
    /// What the snapshot of exactly this id holds.
    Taken(SnapshotId),
}

/// What is asked of the node, the image's name, and the snapshot that may not go meanwhile.
type Source = (TemplateSelector, Option<String>, Option<SnapshotUse>);

/// What every VM of one call has in common.
#[derive(Debug)]
pub(super) struct Traits {
    pub(super) image_name: Option<String>,
    pub(super) snapshot: Option<SnapshotId>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) metadata: Metadata,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) network_wanted: bool,
    pub(super) owner: Owner,
}

impl Traits {
    pub(super) fn vm(&self, lease: &Lease, name: Option<String>) -> VmInfo {
        VmInfo {
            id: lease.id.clone(),
            name,
            template: lease.template.clone(),
            image: lease.image.clone(),
            image_name: self.image_name.clone(),
            snapshot: self.snapshot.clone(),
            shape: lease.shape,
            disk_bytes: lease.disk_bytes,
            env: self.env.clone(),
            metadata: self.metadata.clone(),
            created_at_ms: now_ms(),
            idle_timeout: self.idle_timeout,
            max_lifetime: self.max_lifetime,
            owner: self.owner.clone(),
            network_wanted: self.network_wanted,
            state: VmStatus::Running,
        }
    }
}

impl Runner {
    /// Makes a VM. It is awake, has answered and survives the daemon when this returns.
    ///
    /// # Errors
    /// See [`VmError`]; no VM is left then, and its name is free.
    ///
    /// # Cancel safety
    /// Dropped before it returns, no VM is left and its name is free.
    pub async fn create_vm(&self, call: CreateVm) -> Result<VmInfo, VmError> {
        self.check_disk(call.disk_mib)?;
        let (selector, image_name, snapshot) = self.source(call.source)?;
        let taken = snapshot.as_ref().map(SnapshotUse::info);
        let traits = Traits {
            image_name,
            snapshot: taken.as_ref().map(|taken| taken.id.clone()),
            env: call
                .env
                .or_else(|| taken.as_ref().map(|taken| taken.env.clone()))
                .unwrap_or_default(),
            metadata: match taken {
                Some(taken) => Metadata::inherited(call.metadata, taken.metadata)?,
                None => call.metadata.unwrap_or_default(),
            },
            idle_timeout: call.idle_timeout,
            max_lifetime: call.max_lifetime,
            network_wanted: call.network,
            owner: call.owner.clone(),
        };
        let names = vec![call.name];
        let claim = self.catalog().claim(call.owner, names.clone())?;
        let request = LeaseRequest {
            template: selector,
            start_within: call.start_within,
        };
        let mut lease = self.lease(request).await.inspect_err(|error| {
            if let (LeaseError::BadSnapshot { reason, .. }, Some(snapshot)) = (error, &snapshot) {
                snapshot.note_unusable(reason);
            }
        })?;
        // The snapshot is no longer needed once there is a clone of it.
        drop(snapshot);
        self.wake(lease.lease()).await?;
        if let Some(wanted_mib) = call.disk_mib {
            self.grow_disk(&mut lease, wanted_mib << 20).await?;
        }
        for file in call.files {
            self.write_file(&lease.lease().id, file).await?;
        }
        let mut made = self.enter_made(claim, vec![lease], &traits, names).await?;
        made.pop()
            .ok_or_else(|| VmError::NotFound("the VM that was just made".to_owned()))
    }

    fn check_disk(&self, wanted_mib: Option<u64>) -> Result<(), VmError> {
        let limit_mib = self.limits().disk_mib;
        match wanted_mib.filter(|wanted| *wanted > limit_mib) {
            Some(wanted_mib) => Err(VmError::DiskTooLarge {
                wanted_mib,
                limit_mib,
            }),
            None => Ok(()),
        }
    }

    /// Gives a clone that is awake the disk that was asked for, where it has less.
    async fn grow_disk(&self, lease: &mut LeaseGuard, disk_bytes: u64) -> Result<(), VmError> {
        if disk_bytes > lease.lease().disk_bytes {
            self.node().grow_disk(&lease.lease().id, disk_bytes).await?;
            lease.has_disk(disk_bytes);
        }
        Ok(())
    }

    async fn write_file(&self, lease: &LeaseId, file: NewFile) -> Result<(), ExecError> {
        let lost = || ExecError::Lost("the node lost a file that was being written".to_owned());
        let request = InsideRequest::Files(FileOperation::Write {
            path: file.path.as_str().into(),
            mode: None,
            append: false,
            parents: true,
        });
        let mut stream = self.node().inside(lease, request).await?;
        let mut left = file.content;
        while !left.is_empty() {
            let piece = left.split_to(left.len().min(PIECE_BYTES));
            if stream.input.send(StreamInput::Data(piece)).await.is_err() {
                // The guest has said why.
                break;
            }
        }
        let _ = stream.input.send(StreamInput::End).await;
        loop {
            if let StreamEvent::Done(_) = stream.output.recv().await.ok_or_else(lost)?? {
                return Ok(());
            }
        }
    }

    fn source(&self, source: VmSource) -> Result<Source, VmError> {
        match source {
            VmSource::Template(selector) => {
                let image_name = match &selector {
                    TemplateSelector::Image { image, .. } => Some(image.clone()),
                    TemplateSelector::Template(_) | TemplateSelector::Snapshot(_) => None,
                };
                Ok((selector, image_name, None))
            }
            VmSource::Snapshot(text) => self.source_of((&text).into()),
            VmSource::Taken(id) => self.source_of((&id).into()),
        }
    }

    fn source_of(&self, which: SnapshotRef<'_>) -> Result<Source, VmError> {
        let snapshot = self.use_snapshot(which)?;
        let info = snapshot.info();
        let selector = TemplateSelector::Snapshot(info.id);
        Ok((selector, info.image_name, Some(snapshot)))
    }

    /// Makes VMs that stay of leases that are awake: all of them, or none. When the caller leaves, none.
    pub(super) async fn enter_made(
        &self,
        claim: Claim<Vm>,
        leases: Vec<LeaseGuard>,
        traits: &Traits,
        names: Vec<Option<String>>,
    ) -> Result<Vec<VmInfo>, VmError> {
        let mut infos = Vec::with_capacity(leases.len());
        for (lease, name) in leases.iter().zip(names) {
            self.node().keep(&lease.lease().id).await?;
            infos.push(traits.vm(lease.lease(), name));
        }
        let runner = self.clone();
        self.finish_or_undo(
            async move {
                runner.store().enter_vms(infos.clone()).await?;
                let vms: Vec<Arc<Vm>> = infos.iter().cloned().map(Vm::new).collect();
                claim.enter(vms.clone());
                for lease in leases {
                    lease.stays();
                }
                for vm in &vms {
                    runner.mind(vm);
                    runner.tell_vm(EventKind::VmCreated, vm, None);
                }
                Ok(infos)
            },
            |runner, infos: Vec<VmInfo>| async move {
                for info in infos {
                    runner.forget(&info.id, CALLER_LEFT).await;
                }
            },
        )
        .await
    }
}
