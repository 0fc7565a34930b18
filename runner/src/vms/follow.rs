//! Follows what the node's VMs do by themselves.

use std::{future::Future, sync::Arc};

use thaw_pool_manager::{KeptVm, VmError as NodeVmError, VmEvent, VmState};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{PausedBy, Turn, Vm, VmStatus};
use crate::{EventKind, Runner, VmError, runner::WeakRunner};

impl Runner {
    /// Starts the task that follows; it ends with the runner, or with the node.
    pub(crate) fn follow(&self, events: Receiver<VmEvent>) {
        let runner = self.downgrade();
        let stopped = self.stopping().clone();
        self.tasks().spawn(async move {
            stopped
                .run_until_cancelled(following(&runner, events))
                .await;
        });
    }

    /// Asks the node for something. When it can't, what the VM does now is looked up: it may have ended.
    pub(super) async fn on_node(
        &self,
        turn: &Turn,
        asked: impl Future<Output = Result<(), NodeVmError>>,
    ) -> Result<(), VmError> {
        let Err(error) = asked.await else {
            return Ok(());
        };
        self.agree(turn, &self.node().kept().await, &error.to_string())
            .await;
        Err(error.into())
    }

    /// Brings what is known of a VM in line with what it does.
    async fn agree(&self, turn: &Turn, kept: &[KeptVm], reason: &str) {
        let mut info = turn.info();
        let found = kept.iter().find(|kept| kept.id == info.id);
        let (state, kind) = match found.map(|kept| kept.state) {
            // One that the node has lost has no VMM either.
            Some(VmState::Stopped) | None => {
                let reason = Some(reason.to_owned());
                (VmStatus::Stopped { reason }, EventKind::VmStopped)
            }
            Some(VmState::Running) => (VmStatus::Running, EventKind::VmResumed),
            Some(VmState::Paused) => (VmStatus::Paused(PausedBy::Idle), EventKind::VmPaused),
        };
        if state.kind() == info.state.kind() {
            return;
        }
        info.state = state;
        if let Err(error) = turn.write(self.store(), info.clone()).await {
            tracing::error!(vm = %info.id, %error, "could not write what a VM does");
            turn.set(info);
        }
        self.tell_vm(kind, turn.vm(), Some(reason.to_owned()));
    }

    /// An event may be older than what was asked for since, so the node is asked what is true now. One VM
    /// whose turn is taken holds no other one up; there is one task for each event of a VM that is there.
    fn look_at(&self, vm: Arc<Vm>, reason: String) {
        let runner = self.clone();
        self.tasks().spawn(async move {
            if let Some(turn) = vm.turn().await {
                let _changing = turn.changing();
                let kept = runner.node().kept().await;
                runner.agree(&turn, &kept, &reason).await;
            }
        });
    }
}

async fn following(runner: &WeakRunner, mut events: Receiver<VmEvent>) {
    loop {
        let event = events.recv().await;
        let Some(runner) = runner.upgrade() else {
            return;
        };
        match event {
            Ok(event) => {
                if let Ok(vm) = runner.find_vm(event.id.as_str()) {
                    runner.look_at(vm, event.reason);
                }
            }
            Err(RecvError::Lagged(_)) => {
                for vm in runner.catalog().all() {
                    runner.look_at(vm, "the node says so".to_owned());
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}
