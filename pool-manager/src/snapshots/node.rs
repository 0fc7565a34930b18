//! The node's side of it.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;

use super::{
    fork::note,
    manifest::Manifest,
    moment::{HeldUp, Moment, free_bytes},
    store::{NotRemoved, SnapshotStore, Staging},
    write,
};
use crate::{
    AdminError, Fork, LeaseId, LocalNode, NodeSnapshots, SnapshotError, SnapshotId, SnapshotInfo,
    StoredSnapshot, VmError, blocking::blocking, template::LoadedTemplate,
};

#[async_trait]
impl NodeSnapshots for LocalNode {
    async fn snapshot(
        &self,
        lease: &LeaseId,
        id: &SnapshotId,
    ) -> Result<SnapshotInfo, SnapshotError> {
        let begin = Instant::now();
        if self.snapshots.contains(id) {
            return Err(SnapshotError::Exists(id.clone()));
        }
        let (leased, pool) = self.with_base(lease).await?;
        let machine = leased.machine();
        let machine = machine.ok_or_else(|| VmError::Unknown(lease.clone()))?;
        let disk = machine.scratch().map_err(SnapshotError::Write)?;
        drop(machine);
        let store = self.snapshots.clone();
        let reserve_bytes = self.pools.setup().limits.disk_reserve_bytes;
        // Before the VM is held up for nothing.
        let (staging, store) = blocking(move || {
            use std::os::unix::fs::MetadataExt as _;
            let disk_bytes = disk.metadata().map_err(SnapshotError::Write)?.blocks() * 512;
            check_room(&store, disk_bytes + reserve_bytes)?;
            let staging = store.stage().map_err(SnapshotError::Write)?;
            Ok::<_, SnapshotError>((staging, store))
        })
        .await?;
        let taking = self.taking(&pool);
        let draft = Draft {
            id: id.clone(),
            template: Arc::clone(pool.template()),
            reserve_bytes,
            begin,
        };
        let taken = {
            let leased = Arc::clone(&leased);
            async move {
                let (moment, held_up) = taking.take(&leased).await?;
                // The VM goes on; what was taken of it is written out now.
                let id = leased.id().clone();
                blocking(move || draft.write(&store, staging, &moment, held_up, &id)).await
            }
        };
        leased.to_its_end("take a snapshot of", taken).await
    }

    async fn snapshots(&self) -> Vec<StoredSnapshot> {
        let store = self.snapshots.clone();
        blocking(move || store.all()).await
    }

    async fn remove_snapshot(&self, id: &SnapshotId) -> Result<(), AdminError> {
        let (store, wanted) = (self.snapshots.clone(), id.clone());
        let removed = blocking(move || store.remove(&wanted)).await;
        removed.map_err(|error| match error {
            NotRemoved::Unknown => AdminError::NotFound {
                kind: "snapshot",
                name: id.to_string(),
            },
            NotRemoved::InUse => AdminError::InUse {
                kind: "snapshot",
                name: id.to_string(),
                by: "VMs are being made of it".to_owned(),
            },
            NotRemoved::Io(source) => AdminError::Io {
                what: "remove the snapshot",
                source,
            },
        })
    }

    async fn fork(
        &self,
        lease: &LeaseId,
        count: u32,
        within: Duration,
    ) -> Result<Fork, SnapshotError> {
        self.fork_now(lease, count, within).await
    }
}

fn check_room(store: &SnapshotStore, needed_bytes: u64) -> Result<(), SnapshotError> {
    let free_bytes = free_bytes(store.folder()).map_err(SnapshotError::Write)?;
    if free_bytes < needed_bytes {
        return Err(SnapshotError::DiskFull {
            needed_bytes,
            free_bytes,
        });
    }
    Ok(())
}

/// A snapshot that is being taken.
struct Draft {
    id: SnapshotId,
    template: Arc<LoadedTemplate>,
    reserve_bytes: u64,
    begin: Instant,
}

impl Draft {
    /// Writes it and makes it count. Nothing is left when that fails.
    fn write(
        self,
        store: &SnapshotStore,
        staging: Staging,
        moment: &Moment,
        held_up: HeldUp,
        vm: &LeaseId,
    ) -> Result<SnapshotInfo, SnapshotError> {
        let memory_bytes = moment.machine.delta.bytes().len() as u64;
        let disk_bytes = moment.disk.held_bytes().map_err(SnapshotError::Write)?;
        check_room(store, memory_bytes + disk_bytes + self.reserve_bytes)?;
        let sums = write::write(moment, staging.path()).map_err(SnapshotError::Write)?;
        let template = &self.template.manifest;
        let total = self.begin.elapsed();
        let manifest = Manifest {
            id: self.id,
            template: template.id.clone(),
            image: template.image.clone(),
            config: template.config.clone(),
            shape: template.shape,
            engine: template.engine.clone(),
            handover: moment.machine.handover.clone(),
            scratch_bytes: moment.disk.len_bytes(),
            scratch_sha256: sums.scratch_sha256,
            state_sha256: sums.state_sha256,
            memory_bytes,
            created_at: now_s().map_err(SnapshotError::Write)?,
            paused_us: held_up.paused.as_micros() as u64,
            total_us: total.as_micros() as u64,
        };
        let kept = store.keep(staging, manifest.clone());
        if !kept.map_err(SnapshotError::Write)? {
            return Err(SnapshotError::Exists(manifest.id));
        }
        let info = SnapshotInfo {
            // With the sync that makes it count, which its own manifest can't know of.
            total: self.begin.elapsed(),
            ..manifest.info(store.disk_bytes(&manifest.id))
        };
        note(vm, "snapshotted", moment, held_up, info.total);
        Ok(info)
    }
}

fn now_s() -> io::Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(now.map_err(io::Error::other)?.as_secs())
}
