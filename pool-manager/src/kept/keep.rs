//! A lease becomes a VM that stays, and ceases to be one.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    KeptVms,
    table::{control, unrecorded},
    vm::{Facts, Phase, Vm},
};
use crate::{
    LeaseId, VmError,
    lease::Leased,
    node_db::{Recorded, VmRow},
};

impl KeptVms {
    /// Makes a leased clone a VM that stays. One that stays already is left as it is.
    pub(crate) async fn keep(&self, id: &LeaseId) -> Result<(), VmError> {
        if self.0.vms.contains_key(id) {
            return Ok(());
        }
        let leased = self.0.setup.leases.get(id).map(|found| Arc::clone(&found));
        let leased = leased.ok_or_else(|| VmError::Unknown(id.clone()))?;
        let kept = self.clone();
        self.to_its_end(id, "keep", async move { kept.keep_leased(leased).await })
            .await
    }

    async fn keep_leased(&self, leased: Arc<Leased>) -> Result<(), VmError> {
        let id = leased.id();
        let unknown = || VmError::Unknown(id.clone());
        // The next daemon must not find a VM that does not know who it is.
        leased.resume().await?;
        // Nor one whose pages only this daemon can serve.
        leased.independent().await?;
        let machine = leased.machine().ok_or_else(unknown)?;
        let template = leased.template().ok_or_else(unknown)?;
        let manifest = &template.manifest;
        let facts = Facts {
            id: id.clone(),
            template: manifest.id.clone(),
            image: manifest.image.clone(),
            shape: manifest.shape,
            config: manifest.config.clone(),
        };
        let mark = machine.mark().map_err(control(id, "keep"))?;
        let scratch = machine.scratch().map_err(control(id, "keep"))?;
        drop(machine);
        self.on_disk(id, "keep", move |folders, id| folders.link(id, &scratch))
            .await?;
        let row = row_of(&facts, Recorded::Running(mark));
        if let Err(error) = self.0.setup.db.insert_vm(row).await {
            self.remove_disk(id).await;
            return Err(unrecorded(id, "record")(error));
        }
        leased.stay();
        let image = self.pin(&facts.image);
        let vm = Vm::new(facts, Phase::Running(Arc::clone(&leased)), image);
        self.0.vms.insert(id.clone(), Arc::clone(&vm));
        self.follow(&vm, &leased);
        // A release that came in between found a lease, and no VM.
        if !self.0.setup.leases.contains_key(id) {
            self.release(id);
            return Err(unknown());
        }
        Ok(())
    }

    /// Forgets a VM, ends it and removes its disk, in the background. False when none of this id stays.
    pub(crate) fn release(&self, id: &LeaseId) -> bool {
        let Some((_, vm)) = self.0.vms.remove(id) else {
            return false;
        };
        vm.released.cancel();
        let kept = self.clone();
        self.0.setup.tracker.spawn(async move {
            let mut turn = vm.turn().await;
            let id = vm.id();
            if let Err(error) = kept.0.setup.db.remove_vm(id).await {
                tracing::error!(vm = %id, "could not forget a VM: {}", crate::error::chain(&error));
            }
            if let Some(leased) = turn.phase().leased() {
                let mut end = leased.end();
                leased.end_now();
                end.wait().await;
            }
            turn.set(Phase::Released);
            kept.remove_disk(id).await;
        });
        true
    }

    /// Removes a VM's disk; the next start removes what can't be removed now.
    pub(super) async fn remove_disk(&self, id: &LeaseId) {
        let removed = self
            .on_disk(id, "remove", |folders, id| folders.remove(id))
            .await;
        if let Err(error) = removed {
            tracing::error!(vm = %id, "could not remove a VM's disk: {}", crate::error::chain(&error));
        }
    }

    pub(super) fn pin(&self, image: &str) -> Option<thaw_image::ImagePin> {
        let images = &self.0.setup.baker.images;
        images.pin(&images.find(image)?.digest)
    }
}

fn row_of(facts: &Facts, recorded: Recorded) -> VmRow {
    VmRow {
        id: facts.id.clone(),
        template: facts.template.clone(),
        image: facts.image.clone(),
        shape: facts.shape,
        config: facts.config.clone(),
        created_at: now_s(),
        recorded,
    }
}

fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
