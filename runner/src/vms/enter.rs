//! The gate that every request into a VM passes.
//!
//! ```text
//! enter ─► runs ──► inside (counted; idleness begins when the last one leaves)
//!       ─► being changed ──► waits for the turn, looks again
//!       ─► paused by idleness ──► woken, inside
//!       ─► paused by request, stopped, deleted ──► refused
//! ```

use std::{collections::BTreeMap, sync::Arc};

use thaw_pool_manager::{ExecRequest, LeaseId};

use super::{PausedBy, Vm, VmStatus, vm::Gate};
use crate::{EventKind, Runner, VmError};

/// A request that is inside a running VM: exec, files, a terminal, a port. The VM is not paused for idleness
/// as long as one is held.
#[derive(Debug)]
pub struct VmPass {
    vm: Arc<Vm>,
    env: BTreeMap<String, String>,
}

impl VmPass {
    /// The VM's id, which is what its node knows it by.
    pub fn id(&self) -> &LeaseId {
        self.vm.id()
    }

    /// Puts the environment of every program in the VM before a program's own.
    pub(crate) fn add_env(&self, exec: &mut ExecRequest) {
        let own = std::mem::take(&mut exec.env);
        exec.env.extend(self.env.clone());
        exec.env.extend(own);
    }
}

impl Drop for VmPass {
    fn drop(&mut self) {
        self.vm.leave();
    }
}

impl Runner {
    /// Goes into a VM, and wakes it where it is paused because nobody used it.
    ///
    /// # Errors
    /// [`VmError::NotFound`], [`VmError::Ambiguous`], [`VmError::Paused`], [`VmError::Stopped`], and what the
    /// node says when it can't be woken.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nobody is inside; a wake that was begun is finished.
    pub async fn enter(&self, id_or_name: &str) -> Result<VmPass, VmError> {
        let vm = self.find_vm(id_or_name)?;
        loop {
            match vm.knock() {
                Gate::Open => {
                    // From here on it is left again whatever happens.
                    let mut pass = VmPass {
                        vm,
                        env: BTreeMap::new(),
                    };
                    pass.env = pass.vm.info().env;
                    return Ok(pass);
                }
                Gate::Wait => drop(vm.turn().await),
                Gate::Asleep => self.wake_up(&vm).await?,
                Gate::Paused => return Err(VmError::Paused(vm.id().clone())),
                Gate::Stopped => {
                    let reason = match vm.info().state {
                        VmStatus::Stopped { reason } => reason,
                        VmStatus::Running | VmStatus::Paused(_) => None,
                    };
                    return Err(VmError::Stopped {
                        id: vm.id().clone(),
                        reason,
                    });
                }
                Gate::Gone => return Err(VmError::NotFound(id_or_name.to_owned())),
            }
        }
    }

    /// Wakes a VM that is paused because nobody used it; one that is not any more is left as it is.
    async fn wake_up(&self, vm: &Arc<Vm>) -> Result<(), VmError> {
        let (runner, vm) = (self.clone(), Arc::clone(vm));
        self.finish(async move {
            let Some(turn) = vm.turn().await else {
                return Ok(());
            };
            let mut info = turn.info();
            if info.state == VmStatus::Paused(PausedBy::Idle) {
                let _changing = turn.changing();
                runner.node().resume(vm.id()).await?;
                info.state = VmStatus::Running;
                turn.set(info);
                turn.touch();
                let reason = Some("a request came".to_owned());
                runner.tell_vm(EventKind::VmResumed, &vm, reason);
            }
            Ok(())
        })
        .await
    }
}
