//! Booting a stopped VM from its own disk.

use std::sync::Arc;

use thaw_image::Image;
use thaw_vmm::{
    BootSpec, Machine, RootDisk, VmmId,
    protocol::{Opening, Request},
};

use super::{
    KeptVms,
    table::{control, unrecorded},
    vm::{Facts, Phase},
};
use crate::{
    ExecError, LeaseError, LeaseId, VmError,
    bake::get_ready,
    budget::{NoRoom, Slot},
    lease::{Leased, Staying},
    node_db::Recorded,
    pause::Life,
    run::guest_error,
    template::root_fs,
    wake::wake_booted,
};

impl KeptVms {
    pub(crate) async fn boot(&self, id: &LeaseId) -> Result<(), VmError> {
        let (kept, vm) = (self.clone(), self.vm(id)?);
        self.to_its_end(id, "boot", async move {
            let mut turn = vm.turn().await;
            if !matches!(turn.phase(), Phase::Stopped) {
                return turn.refuse("boot");
            }
            let starting = vm.unless_released(kept.start(&vm.facts));
            // A daemon that ends does not wait for it: dropped, it ends the VMM.
            let started = kept.0.stop.run_until_cancelled(starting).await;
            let (machine, slot) = started.unwrap_or(Err(LeaseError::ShuttingDown.into()))?;
            let id = vm.id();
            let mark = machine.mark().map_err(control(id, "boot"))?;
            let recorded = kept.0.setup.db.record(id, Recorded::Running(mark)).await;
            recorded.map_err(unrecorded(id, "record"))?;
            let config = vm.facts.config.clone();
            let leased = kept.lease(Staying {
                machine,
                slot,
                config,
                life: Life::Awake,
            });
            turn.set(Phase::Running(Arc::clone(&leased)));
            kept.follow(&vm, &leased);
            Ok(())
        })
        .await
    }

    /// Makes a lease of a VM that has a VMM again.
    pub(super) fn lease(&self, staying: Staying) -> Arc<Leased> {
        let setup = &self.0.setup;
        let (counters, tracker) = (Arc::clone(&setup.counters), setup.tracker.clone());
        let leased = Leased::staying(staying, counters, tracker);
        let id = leased.id().clone();
        setup.leases.insert(id, Arc::clone(&leased));
        leased
    }

    /// Boots it with the kernel and agent of now.
    ///
    /// # Cancel safety
    /// The VMM is ended.
    async fn start(&self, facts: &Facts) -> Result<(Box<dyn Machine>, Slot), VmError> {
        let baker = &self.0.setup.baker;
        let (budget, limits) = (&self.0.setup.budget, &baker.limits);
        let full = |NoRoom { what, limit }| LeaseError::NodeFull { what, limit };
        let slot = budget.take_within(facts.shape.memory_mib, limits.start_within);
        let slot = slot.await.map_err(full)?;
        let image = baker.images.find(&facts.image);
        let image = image.ok_or_else(|| LeaseError::UnknownImage {
            name: facts.image.clone(),
            source: None,
        })?;
        let spec = self.boot_spec(facts, &image).await?;
        let booted = baker.engine.boot(spec).await;
        let machine = booted.map_err(control(&facts.id, "boot"))?;
        get_ready(machine.guest(), &image)
            .await
            .map_err(control(&facts.id, "boot"))?;
        let wake = wake_booted(facts.id.as_str())
            .map_err(|error| VmError::Guest(ExecError::Lost(format!("no wake data: {error}"))))?;
        let opening = Opening {
            wake: Some(wake),
            request: Request::Info,
        };
        let answer = machine.guest().call(&opening).await;
        answer.map_err(guest_error)?;
        Ok((machine, slot))
    }

    async fn boot_spec(&self, facts: &Facts, image: &Arc<Image>) -> Result<BootSpec, VmError> {
        let baker = &self.0.setup.baker;
        let opened = Arc::clone(image);
        let (root, scratch) = self
            .on_disk(&facts.id, "open", move |folders, id| {
                Ok((opened.open_root()?, folders.scratch(id)?))
            })
            .await?;
        let id = VmmId::try_from(facts.id.as_str().to_owned());
        Ok(BootSpec {
            id: id.map_err(control(&facts.id, "boot"))?,
            shape: facts.shape,
            kernel: Arc::clone(&baker.kernel),
            root: RootDisk {
                file: Arc::new(root),
                fs: root_fs(image.fs),
            },
            scratch,
            boot_timeout: baker.limits.bake_within,
        })
    }
}
