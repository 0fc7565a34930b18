//! The table of VMs that stay.

use std::{io, path::Path, sync::Arc};

use dashmap::DashMap;
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{folders::VmFolders, vm::Vm};
use crate::{
    KeptVm, LeaseId, TemplateId, VmError, VmEvent, VmState,
    bake::Baker,
    blocking::blocking,
    budget::Budget,
    counters::Counters,
    lease::Leased,
    node_db::{NodeDb, NodeDbError},
};

/// Events that a receiver may be behind; one that is further behind loses the oldest.
const EVENTS: usize = 256;

/// Every lease of the node.
pub(crate) type Leases = Arc<DashMap<LeaseId, Arc<Leased>>>;

/// What VMs that stay are made with.
#[derive(Debug, Clone)]
pub(crate) struct KeptSetup {
    pub(crate) leases: Leases,
    pub(crate) db: NodeDb,
    /// Engine, kernel, images and bounds.
    pub(crate) baker: Baker,
    pub(crate) budget: Arc<Budget>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) tracker: TaskTracker,
}

/// The VMs that stay. Cheap to clone. Bounded by who keeps them; those with a VMM by the budget of VMMs.
#[derive(Debug, Clone)]
pub(crate) struct KeptVms(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) setup: KeptSetup,
    pub(super) vms: DashMap<LeaseId, Arc<Vm>>,
    pub(super) folders: VmFolders,
    pub(super) events: broadcast::Sender<VmEvent>,
    /// The daemon ends: VMs are left as they are.
    pub(super) stop: CancellationToken,
}

impl KeptVms {
    /// An empty table over the folder `vms`.
    pub(crate) fn open(setup: KeptSetup, folder: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            setup,
            vms: DashMap::new(),
            folders: VmFolders::open(folder.to_owned())?,
            events: broadcast::channel(EVENTS).0,
            stop: CancellationToken::new(),
        })))
    }

    /// Every VM that stays.
    pub(crate) fn all(&self) -> Vec<KeptVm> {
        self.0.vms.iter().map(|vm| vm.info()).collect()
    }

    /// How many of a template have a VMM.
    pub(crate) fn live_of(&self, template: &TemplateId) -> usize {
        let live = |vm: KeptVm| vm.template == *template && vm.state != VmState::Stopped;
        self.0.vms.iter().filter(|vm| live(vm.info())).count()
    }

    /// The template that a VM was made from.
    pub(crate) fn template_of(&self, id: &LeaseId) -> Option<TemplateId> {
        self.0.vms.get(id).map(|vm| vm.facts.template.clone())
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<VmEvent> {
        self.0.events.subscribe()
    }

    /// From now on nothing is changed any more.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    pub(super) fn vm(&self, id: &LeaseId) -> Result<Arc<Vm>, VmError> {
        let found = self.0.vms.get(id).map(|vm| Arc::clone(&vm));
        found.ok_or_else(|| VmError::Unknown(id.clone()))
    }

    /// Carries something out in a task, so that a caller who leaves does not leave it half-done.
    pub(super) async fn to_its_end<T: Send + 'static>(
        &self,
        id: &LeaseId,
        attempt: &'static str,
        work: impl Future<Output = Result<T, VmError>> + Send + 'static,
    ) -> Result<T, VmError> {
        if self.is_stopped() {
            return Err(crate::LeaseError::ShuttingDown.into());
        }
        let done = self.0.setup.tracker.spawn(work).await;
        done.unwrap_or_else(|error| Err(control(id, attempt)(error)))
    }

    /// Works on the folder of a VM where that may block.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        id: &LeaseId,
        attempt: &'static str,
        work: impl FnOnce(&VmFolders, &LeaseId) -> io::Result<T> + Send + 'static,
    ) -> Result<T, VmError> {
        let (folders, of) = (self.0.folders.clone(), id.clone());
        let done = blocking(move || work(&folders, &of)).await;
        done.map_err(|source| VmError::Storage {
            id: id.clone(),
            attempt,
            source,
        })
    }
}

/// The VMM or the guest refused.
pub(super) fn control<E>(id: &LeaseId, attempt: &'static str) -> impl FnOnce(E) -> VmError
where
    E: std::error::Error + Send + Sync + 'static,
{
    let id = id.clone();
    move |error| VmError::Control {
        id,
        attempt,
        source: Box::new(error),
    }
}

/// What is recorded of a VM could not be written.
pub(super) fn unrecorded(
    id: &LeaseId,
    attempt: &'static str,
) -> impl FnOnce(NodeDbError) -> VmError {
    let id = id.clone();
    move |error| VmError::Storage {
        id,
        attempt,
        source: io::Error::other(error),
    }
}
