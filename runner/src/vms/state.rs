//! Pause, resume, stop, start, delete: what somebody asks for.
//!
//! Each is idempotent: a VM that is in the wanted state already is left as it is.

use std::{future::Future, sync::Arc};

use thaw_pool_manager::LeaseId;

use super::{PausedBy, Turn, Vm, VmInfo, VmStatus};
use crate::{EventKind, Runner, VmError};

impl Runner {
    /// Stops a VM's CPUs until [`Runner::resume_vm`]; no request wakes it.
    ///
    /// # Errors
    /// See [`VmError`]; a stopped VM is refused.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn pause_vm(&self, id_or_name: &str) -> Result<VmInfo, VmError> {
        let vm = self.find_vm(id_or_name)?;
        self.on_turn(vm, id_or_name, |runner, turn| async move {
            let mut info = turn.info();
            match &info.state {
                VmStatus::Paused(PausedBy::Request) => return Ok(info),
                VmStatus::Stopped { reason } => return Err(stopped(&info, reason)),
                VmStatus::Running | VmStatus::Paused(PausedBy::Idle) => {}
            }
            let _changing = turn.changing();
            runner.on_node(&turn, runner.node().pause(&info.id)).await?;
            info.state = VmStatus::Paused(PausedBy::Request);
            let written = turn.write(runner.store(), info.clone()).await;
            if let Err(error) = written {
                // What can't be written is not done: it goes on, or else is known to be paused.
                let resumed = runner.on_node(&turn, runner.node().resume(&info.id));
                if let Err(stays) = resumed.await {
                    tracing::warn!(vm = %info.id, error = %stays, "a VM stays paused");
                }
                return Err(error.into());
            }
            runner.tell_vm(EventKind::VmPaused, turn.vm(), None);
            Ok(info)
        })
        .await
    }

    /// Lets a VM's CPUs run again.
    ///
    /// # Errors
    /// See [`VmError`]; a stopped VM is refused.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn resume_vm(&self, id_or_name: &str) -> Result<VmInfo, VmError> {
        let vm = self.find_vm(id_or_name)?;
        self.on_turn(vm, id_or_name, |runner, turn| async move {
            let mut info = turn.info();
            match &info.state {
                VmStatus::Running => return Ok(info),
                VmStatus::Stopped { reason } => return Err(stopped(&info, reason)),
                VmStatus::Paused(_) => {}
            }
            let _changing = turn.changing();
            runner
                .on_node(&turn, runner.node().resume(&info.id))
                .await?;
            info.state = VmStatus::Running;
            runner.note(&turn, info, EventKind::VmResumed).await
        })
        .await
    }

    /// Powers a VM off and keeps its disk. What runs in it ends.
    ///
    /// # Errors
    /// See [`VmError`].
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn stop_vm(&self, id_or_name: &str) -> Result<VmInfo, VmError> {
        let vm = self.find_vm_to_end(id_or_name)?;
        self.on_turn(vm, id_or_name, |runner, turn| async move {
            let mut info = turn.info();
            if let VmStatus::Stopped { .. } = info.state {
                return Ok(info);
            }
            let _changing = turn.changing();
            let stopped = runner.node().power_off(&info.id);
            runner.on_node(&turn, stopped).await?;
            info.state = VmStatus::Stopped { reason: None };
            runner.note(&turn, info, EventKind::VmStopped).await
        })
        .await
    }

    /// Boots a stopped VM from its disk. It has answered when this returns.
    ///
    /// # Errors
    /// See [`VmError`]; a paused VM is refused.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn start_vm(&self, id_or_name: &str) -> Result<VmInfo, VmError> {
        self.refuse_new()?;
        let vm = self.find_vm(id_or_name)?;
        self.on_turn(vm, id_or_name, |runner, turn| async move {
            let mut info = turn.info();
            match info.state {
                VmStatus::Running => return Ok(info),
                VmStatus::Paused(_) => return Err(VmError::Paused(info.id)),
                VmStatus::Stopped { .. } => {}
            }
            let _changing = turn.changing();
            runner.on_node(&turn, runner.node().boot(&info.id)).await?;
            info.state = VmStatus::Running;
            runner.note(&turn, info, EventKind::VmStarted).await
        })
        .await
    }

    /// Writes and tells what a VM does now. It is known even where it can't be written, because it is so: a daemon that
    /// starts then asks the node.
    async fn note(&self, turn: &Turn, info: VmInfo, kind: EventKind) -> Result<VmInfo, VmError> {
        let written = turn.write(self.store(), info.clone()).await;
        turn.set(info.clone());
        turn.touch();
        self.tell_vm(kind, turn.vm(), None);
        written?;
        Ok(info)
    }

    /// Ends a VM, what runs in it too, and forgets it; its disk is gone.
    ///
    /// # Errors
    /// See [`VmError`].
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn delete_vm(&self, id_or_name: &str) -> Result<(), VmError> {
        let vm = self.find_vm_to_end(id_or_name)?;
        self.on_turn(vm, id_or_name, |runner, turn| async move {
            runner.delete_on(turn, None).await
        })
        .await
    }

    /// The row goes first: a daemon that is killed now finds a VM without a row, and removes it.
    pub(super) async fn delete_on(
        &self,
        turn: Turn,
        reason: Option<String>,
    ) -> Result<(), VmError> {
        let (vm, info) = (Arc::clone(turn.vm()), turn.info());
        self.store().remove_vm(vm.id()).await?;
        self.catalog()
            .remove(info.id.as_str(), info.name.as_deref());
        turn.gone();
        // Programs that still run hold passes; the VM goes now all the same.
        self.node().release(vm.id());
        self.tell_vm(EventKind::VmDeleted, &vm, reason);
        Ok(())
    }

    /// Deletes a VM that nobody may have heard of.
    pub(super) async fn forget(&self, id: &LeaseId, reason: &str) {
        let Ok(vm) = self.find_vm(id.as_str()) else {
            return;
        };
        if let Some(turn) = vm.turn().await
            && let Err(error) = self.delete_on(turn, Some(reason.to_owned())).await
        {
            tracing::error!(vm = %id, %error, "could not forget a VM: {reason}");
        }
    }

    /// Does something with the turn of a VM that was found by `asked`, to its end.
    pub(super) async fn on_turn<T, F>(
        &self,
        vm: Arc<Vm>,
        asked: &str,
        work: impl FnOnce(Self, Turn) -> F + Send + 'static,
    ) -> Result<T, VmError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, VmError>> + Send + 'static,
    {
        let (runner, asked) = (self.clone(), asked.to_owned());
        self.finish(async move {
            let turn = vm.turn().await.ok_or(VmError::NotFound(asked))?;
            work(runner, turn).await
        })
        .await
    }
}

fn stopped(info: &VmInfo, reason: &Option<String>) -> VmError {
    VmError::Stopped {
        id: info.id.clone(),
        reason: reason.clone(),
    }
}
