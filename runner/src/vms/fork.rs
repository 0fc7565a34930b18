//! More VMs that begin where one is now.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Turn, Vm, VmInfo, VmStatus,
    create::{CALLER_LEFT, Traits},
};
use crate::{
    Metadata, Runner, SnapshotError, VmError,
    catalog::{Claim, Owner},
    guard::LeaseGuard,
};

/// VMs to make of one that is there.
#[derive(Debug, Clone)]
pub struct ForkVm {
    /// A name, or none, for each VM that is wanted.
    pub names: Vec<Option<String>>,
    /// The environment of every program in them. Absent: that of the VM.
    pub env: Option<BTreeMap<String, String>>,
    /// What their owner notes. Absent: what is noted of the VM.
    pub metadata: Option<Metadata>,
    /// The id of the API key that makes them.
    pub owner: Owner,
    /// How long the caller waits.
    pub within: Duration,
}

/// VMs that were made of one.
#[derive(Debug, Clone, PartialEq)]
pub struct ForkedVms {
    /// The new VMs, in the order of their names.
    pub vms: Vec<VmInfo>,
    /// How long the CPUs of the VM that was forked stood still.
    pub paused: Duration,
    /// How long its programs stood still.
    pub at_rest: Duration,
    /// How long it took until all were awake.
    pub total: Duration,
}

impl Runner {
    /// Makes more VMs that begin where this one is now; it goes on as it was. All of them, or none.
    ///
    /// # Errors
    /// See [`SnapshotError`]; no new VM is left then.
    ///
    /// # Cancel safety
    /// Dropped before it returns, no new VM is left.
    pub async fn fork_vm(
        &self,
        id_or_name: &str,
        call: ForkVm,
    ) -> Result<ForkedVms, SnapshotError> {
        self.refuse_new()?;
        let vm = self.find_vm(id_or_name)?;
        let claim = self
            .catalog()
            .claim(call.owner.clone(), call.names.clone())
            .map_err(VmError::from)?;
        let (runner, asked) = (self.clone(), id_or_name.to_owned());
        let fork = async move {
            let turn = vm.turn().await.ok_or(VmError::NotFound(asked))?;
            runner.fork_on(turn, claim, call).await
        };
        self.finish_or_undo(fork, |runner, forked| async move {
            for vm in forked.vms {
                runner.forget(&vm.id, CALLER_LEFT).await;
            }
        })
        .await
    }

    async fn fork_on(
        &self,
        turn: Turn,
        claim: Claim<Vm>,
        call: ForkVm,
    ) -> Result<ForkedVms, SnapshotError> {
        let parent = turn.info();
        if let VmStatus::Stopped { reason } = parent.state {
            let id = parent.id;
            return Err(VmError::Stopped { id, reason }.into());
        }
        let metadata =
            Metadata::inherited(call.metadata, parent.metadata).map_err(VmError::Metadata)?;
        let traits = Traits {
            image_name: parent.image_name,
            snapshot: parent.snapshot,
            env: call.env.unwrap_or(parent.env),
            metadata,
            idle_timeout: parent.idle_timeout,
            max_lifetime: parent.max_lifetime,
            network_wanted: parent.network_wanted,
            owner: call.owner,
        };
        let count = u32::try_from(call.names.len()).unwrap_or(u32::MAX);
        let fork = self.node().fork(&parent.id, count, call.within).await?;
        let leases: Vec<LeaseGuard> = fork
            .leases
            .into_iter()
            .map(|lease| LeaseGuard::new(lease, self.node().clone()))
            .collect();
        drop(turn);
        let vms = self.enter_made(claim, leases, &traits, call.names).await?;
        Ok(ForkedVms {
            vms,
            paused: fork.paused,
            at_rest: fork.at_rest,
            total: fork.total,
        })
    }
}
