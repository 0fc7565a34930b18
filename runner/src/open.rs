//! Opening a runner: what it remembers and what the node has are brought together.
//!
//! ```text
//! row and VM ──► entered, in the state that the node tells      VM without a row ──► never acknowledged: released
//!                                                               row without a VM ──► its disk is lost: forgotten
//! ```
//! Snapshots likewise; those that can't be used stay, with the reason, until somebody removes them.

use std::{collections::BTreeMap, sync::Arc};

use thaw_pool_manager::{KeptVm, LeaseId, Node, SnapshotId, StoredSnapshot, VmState};

use crate::{
    OpenError, Runner, RunnerLimits, Store, StoreError,
    snapshots::{Snapshot, SnapshotInfo},
    vms::{PausedBy, Vm, VmInfo, VmStatus},
};

impl Runner {
    /// A runner over one node, with what an earlier one remembered.
    ///
    /// # Errors
    /// When that can't be read or brought in line with the node.
    pub async fn open(
        node: Arc<dyn Node>,
        store: Store,
        limits: RunnerLimits,
    ) -> Result<Self, OpenError> {
        // Before the node is asked, so that nothing falls in between.
        let events = node.vm_events();
        let vms = open_vms(&*node, &store).await?;
        let snapshots = open_snapshots(&*node, &store).await?;
        let entries = vms.iter().map(|vm| (vm.info().name, Arc::clone(vm)));
        let runner = Self::new(node, store, limits, entries.collect(), snapshots);
        for vm in &vms {
            runner.mind(vm);
        }
        runner.follow(events);
        Ok(runner)
    }
}

async fn open_vms(node: &dyn Node, store: &Store) -> Result<Vec<Arc<Vm>>, StoreError> {
    let plan = agree(store.vms().await?, node.kept().await);
    for id in &plan.release {
        tracing::warn!(vm = %id, "released a VM that nobody was told of");
        node.release(id);
    }
    for id in &plan.forget {
        tracing::error!(vm = %id, "forgot a VM whose disk is lost");
        store.remove_vm(id).await?;
    }
    for vm in &plan.changed {
        store.update_vm(vm.clone()).await?;
    }
    Ok(plan.vms.into_iter().map(Vm::new).collect())
}

async fn open_snapshots(
    node: &dyn Node,
    store: &Store,
) -> Result<Vec<(Option<String>, Arc<Snapshot>)>, StoreError> {
    let found = node.snapshots().await.into_iter();
    let mut found: BTreeMap<SnapshotId, StoredSnapshot> =
        found.map(|one| (one.id().clone(), one)).collect();
    let mut there = Vec::new();
    for row in store.snapshots().await? {
        let Some(stored) = found.remove(&row.id) else {
            tracing::warn!(snapshot = %row.id, "forgot a snapshot that the node does not have");
            store.remove_snapshot(&row.id).await?;
            continue;
        };
        there.push(SnapshotInfo {
            unusable: stored.unusable().map(str::to_owned),
            ..row
        });
    }
    for id in found.into_keys() {
        match node.remove_snapshot(&id).await {
            Ok(()) => tracing::warn!(snapshot = %id, "removed a snapshot that nobody was told of"),
            Err(error) => tracing::error!(snapshot = %id, %error, "could not remove a snapshot"),
        }
    }
    let entries = there
        .into_iter()
        .map(|row| (Some(row.name.clone()), Snapshot::new(row)));
    Ok(entries.collect())
}

/// What to do about rows and VMs.
#[derive(Debug, Default, PartialEq)]
struct Plan {
    /// The VMs that are there, as they are.
    vms: Vec<VmInfo>,
    /// Those of them whose row says something else.
    changed: Vec<VmInfo>,
    /// VMs without a row.
    release: Vec<LeaseId>,
    /// Rows without a VM.
    forget: Vec<LeaseId>,
}

fn agree(rows: Vec<VmInfo>, kept: Vec<KeptVm>) -> Plan {
    let mut kept: BTreeMap<LeaseId, VmState> =
        kept.into_iter().map(|vm| (vm.id, vm.state)).collect();
    let mut plan = Plan::default();
    for mut row in rows {
        let Some(found) = kept.remove(&row.id) else {
            plan.forget.push(row.id);
            continue;
        };
        let told = row.state.clone();
        row.state = match (found, &told) {
            (VmState::Running, _) => VmStatus::Running,
            (VmState::Paused, VmStatus::Paused(by)) => VmStatus::Paused(*by),
            // A pause that was not acknowledged, or one for idleness, which is not written.
            (VmState::Paused, _) => VmStatus::Paused(PausedBy::Idle),
            (VmState::Stopped, VmStatus::Stopped { .. }) => told.clone(),
            (VmState::Stopped, _) => VmStatus::Stopped {
                reason: Some("it ended while no daemon ran, or with the host".to_owned()),
            },
        };
        if row.state.kind() != told.kind() && row.state != VmStatus::Paused(PausedBy::Idle) {
            plan.changed.push(row.clone());
        }
        plan.vms.push(row);
    }
    plan.release.extend(kept.into_keys());
    plan
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use thaw_pool_manager::{TemplateId, vmm::Shape};

    use super::*;
    use crate::Metadata;

    fn row(id: &str, state: VmStatus) -> VmInfo {
        VmInfo {
            id: LeaseId::new(id),
            name: None,
            template: TemplateId::new("0123456789abcdef"),
            image: "sha256:00".to_owned(),
            image_name: None,
            snapshot: None,
            shape: Shape {
                vcpus: 1,
                memory_mib: 128,
            },
            disk_bytes: 0,
            env: BTreeMap::new(),
            metadata: Metadata::default(),
            created_at_ms: 0,
            idle_timeout: Some(Duration::from_secs(1)),
            max_lifetime: None,
            owner: None,
            network_wanted: false,
            state,
        }
    }

    fn kept(id: &str, state: VmState) -> KeptVm {
        KeptVm {
            id: LeaseId::new(id),
            template: TemplateId::new("0123456789abcdef"),
            state,
        }
    }

    /// What becomes of a row that says `told` when the node tells `found`; and whether the row is written.
    fn outcome(told: VmStatus, found: VmState) -> (VmStatus, bool) {
        let plan = agree(vec![row("vm-1", told)], vec![kept("vm-1", found)]);
        assert!(plan.release.is_empty() && plan.forget.is_empty());
        (plan.vms[0].state.clone(), !plan.changed.is_empty())
    }

    #[test]
    fn what_is_only_on_one_side_goes() {
        let rows = vec![
            row("vm-1", VmStatus::Running),
            row("vm-2", VmStatus::Running),
        ];
        let found = vec![
            kept("vm-2", VmState::Running),
            kept("vm-3", VmState::Paused),
        ];
        let plan = agree(rows, found);
        assert_eq!(plan.vms, [row("vm-2", VmStatus::Running)]);
        assert_eq!(plan.forget, [LeaseId::new("vm-1")]);
        assert_eq!(plan.release, [LeaseId::new("vm-3")]);
    }

    #[test]
    fn the_node_knows_best_what_a_vm_does() {
        let by_request = VmStatus::Paused(PausedBy::Request);
        let by_idle = VmStatus::Paused(PausedBy::Idle);
        let stopped = VmStatus::Stopped { reason: None };
        let running = VmStatus::Running;
        assert_eq!(
            outcome(running.clone(), VmState::Running),
            (running.clone(), false)
        );
        assert_eq!(
            outcome(by_request.clone(), VmState::Running),
            (running.clone(), true)
        );
        assert_eq!(
            outcome(by_request.clone(), VmState::Paused),
            (by_request.clone(), false)
        );
        assert_eq!(outcome(running.clone(), VmState::Paused), (by_idle, false));
        assert_eq!(
            outcome(stopped.clone(), VmState::Stopped),
            (stopped.clone(), false)
        );
        assert_eq!(outcome(stopped, VmState::Running), (running.clone(), true));
        let (state, written) = outcome(running, VmState::Stopped);
        assert!(matches!(state, VmStatus::Stopped { reason: Some(_) }) && written);
    }
}
