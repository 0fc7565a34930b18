//! VMs that end by themselves.

use std::sync::Arc;

use thaw_vmm::{EndKind, VmmEnd};

use super::{
    KeptVms,
    vm::{Phase, Vm},
};
use crate::{VmEvent, VmState, error::chain, lease::Leased};

impl KeptVms {
    /// Watches a VM that has a VMM, until that ends or the daemon does.
    pub(super) fn follow(&self, vm: &Arc<Vm>, leased: &Arc<Leased>) {
        let (kept, vm, leased) = (self.clone(), Arc::clone(vm), Arc::clone(leased));
        let stop = self.0.stop.clone();
        self.0.setup.tracker.spawn(async move {
            let mut end = leased.end();
            let Some(end) = stop.run_until_cancelled(end.wait()).await else {
                return;
            };
            kept.note_end(&vm, &leased, &end).await;
        });
    }

    /// Whoever ended it on purpose has changed its phase before the turn is ours.
    async fn note_end(&self, vm: &Arc<Vm>, leased: &Arc<Leased>, end: &VmmEnd) {
        let mut turn = vm.turn().await;
        // A VMM that is let go is not seen any more, which is no end.
        if self.is_stopped() {
            return;
        }
        if !turn
            .phase()
            .leased()
            .is_some_and(|now| Arc::ptr_eq(now, leased))
        {
            return;
        }
        // The next start finds no process and comes to the same.
        if let Err(error) = self.ended(vm, leased).await {
            tracing::error!(vm = %vm.id(), "could not record that a VM ended: {}", chain(&error));
        }
        turn.set(Phase::Stopped);
        let event = VmEvent {
            id: vm.id().clone(),
            state: VmState::Stopped,
            reason: leased.reason().map_or_else(|| reason(end), str::to_owned),
        };
        tracing::warn!(vm = %event.id, reason = event.reason, "a VM that stays has ended");
        // Nobody may be listening.
        let _ = self.0.events.send(event);
    }
}

fn reason(end: &VmmEnd) -> String {
    match end.kind {
        EndKind::Killed => {
            "it was ended, because its guest could not be reached or trusted any more".to_owned()
        }
        EndKind::Exited(_) | EndKind::Signaled(_) | EndKind::Unseen => end.to_string(),
    }
}
