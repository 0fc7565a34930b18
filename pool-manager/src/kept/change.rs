//! Pausing, resuming and powering off.

use std::{sync::Arc, time::Duration};

use thaw_vmm::protocol::{Opening, Request};
use tokio::time::timeout;

use super::{
    KeptVms,
    table::{control, unrecorded},
    vm::{Phase, Vm},
};
use crate::{LeaseId, VmError, lease::Leased, node_db::Recorded};

/// How long a guest may take to write back and power off; then it is killed.
const POWER_OFF: Duration = Duration::from_secs(10);

impl KeptVms {
    pub(crate) async fn pause(&self, id: &LeaseId) -> Result<(), VmError> {
        let (kept, vm) = (self.clone(), self.vm(id)?);
        self.to_its_end(id, "pause", async move {
            let mut turn = vm.turn().await;
            let leased = match turn.phase() {
                Phase::Paused(_) => return Ok(()),
                Phase::Running(leased) => Arc::clone(leased),
                Phase::Stopped | Phase::Released => return turn.refuse("pause"),
            };
            leased.pause().await?;
            let recorded = kept.record(&leased, Recorded::Paused).await;
            if recorded.is_err() && goes_on(&leased).await {
                return recorded;
            }
            turn.set(Phase::Paused(leased));
            recorded
        })
        .await
    }

    pub(crate) async fn resume(&self, id: &LeaseId) -> Result<(), VmError> {
        let (kept, vm) = (self.clone(), self.vm(id)?);
        self.to_its_end(id, "resume", async move {
            let mut turn = vm.turn().await;
            let leased = match turn.phase() {
                Phase::Running(_) => return Ok(()),
                Phase::Paused(leased) => Arc::clone(leased),
                Phase::Stopped | Phase::Released => return turn.refuse("resume"),
            };
            leased.resume().await?;
            // It runs, whether that can be recorded or not: the next start sees so too.
            turn.set(Phase::Running(Arc::clone(&leased)));
            kept.record(&leased, Recorded::Running).await
        })
        .await
    }

    pub(crate) async fn power_off(&self, id: &LeaseId) -> Result<(), VmError> {
        let (kept, vm) = (self.clone(), self.vm(id)?);
        self.to_its_end(id, "power off", async move {
            let mut turn = vm.turn().await;
            let leased = match turn.phase() {
                Phase::Stopped => return Ok(()),
                Phase::Running(leased) | Phase::Paused(leased) => Arc::clone(leased),
                Phase::Released => return turn.refuse("power off"),
            };
            let paused = matches!(turn.phase(), Phase::Paused(_));
            vm.unless_released(ask_to_power_off(&leased, paused))
                .await?;
            let ended = kept.ended(&vm, &leased).await;
            turn.set(Phase::Stopped);
            ended
        })
        .await
    }

    /// Ends what is left of a VM's VMM, and records that it is stopped.
    pub(super) async fn ended(&self, vm: &Vm, leased: &Arc<Leased>) -> Result<(), VmError> {
        let id = vm.id();
        let mut end = leased.end();
        leased.end_now();
        end.wait().await;
        self.0
            .setup
            .leases
            .remove_if(id, |_, found| Arc::ptr_eq(found, leased));
        // The VMM does not sync it; from here on nothing writes it.
        self.on_disk(id, "sync", |folders, id| folders.scratch(id)?.sync_data())
            .await?;
        let recorded = self.0.setup.db.record(id, Recorded::Stopped).await;
        recorded.map_err(unrecorded(id, "record"))
    }

    async fn record(
        &self,
        leased: &Leased,
        recorded: impl FnOnce(thaw_vmm::ProcessMark) -> Recorded,
    ) -> Result<(), VmError> {
        let id = leased.id();
        let machine = leased.machine();
        let machine = machine.ok_or_else(|| VmError::Unknown(id.clone()))?;
        let mark = machine.mark().map_err(control(id, "record"))?;
        let recorded = self.0.setup.db.record(id, recorded(mark)).await;
        recorded.map_err(unrecorded(id, "record"))
    }
}

/// Undoes a pause that could not be recorded. False when it stays paused.
async fn goes_on(leased: &Arc<Leased>) -> bool {
    let resumed = leased.resume().await;
    if let Err(error) = &resumed {
        tracing::warn!(vm = %leased.id(), "a VM stays paused: {}", crate::error::chain(error));
    }
    resumed.is_ok()
}

fn machine(leased: &Leased) -> Result<Arc<dyn thaw_vmm::Machine>, VmError> {
    let machine = leased.machine();
    machine.ok_or_else(|| VmError::Unknown(leased.id().clone()))
}

/// A guest that does not do it in time is killed by whoever called.
async fn ask_to_power_off(leased: &Arc<Leased>, paused: bool) -> Result<(), VmError> {
    let asking = async {
        if paused {
            leased.resume().await?;
        }
        let machine = machine(leased)?;
        let opening = Opening {
            wake: None,
            request: Request::Shutdown,
        };
        // The connection may break before the answer comes through.
        let answer = machine.guest().call(&opening).await;
        drop(machine);
        tracing::debug!(vm = %leased.id(), ?answer, "asked a VM to power off");
        leased.end().wait().await;
        Ok(())
    };
    match timeout(POWER_OFF, asking).await {
        Ok(Ok(())) => {}
        Ok(Err::<(), VmError>(error)) => {
            tracing::warn!(vm = %leased.id(), "a VM can't be asked to power off: {}", crate::error::chain(&error));
        }
        Err(_) => tracing::warn!(vm = %leased.id(), "a VM did not power off and is killed"),
    }
    Ok(())
}
