//! What the API calls.

use std::sync::{Arc, Weak};

use thaw_pool_manager::{
    ExecError, ExecEvent, ExecProgram, ExecRequest, Lease, LeaseError, LeaseRequest, Node,
    vmm::protocol::FailureKind,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    EventKind, ExecCall, RunError, RunnerLimits, RunningExec, SnapshotInfo, Store, Subscription,
    VmError, catalog::Catalog, events::Events, guard::LeaseGuard, snapshots::Snapshot, vms::Vm,
};

/// Routes requests to a node, and remembers VMs and snapshots. Cheap to clone; [`Runner::shut_down`] ends it.
#[derive(Debug, Clone)]
pub struct Runner(Arc<Inner>);

/// A runner for its own tasks: they don't keep it alive.
#[derive(Debug, Clone)]
pub(crate) struct WeakRunner(Weak<Inner>);

impl WeakRunner {
    /// The runner, if anybody else still has it.
    pub(crate) fn upgrade(&self) -> Option<Runner> {
        self.0.upgrade().map(Runner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

#[derive(Debug)]
struct Inner {
    node: Arc<dyn Node>,
    store: Store,
    vms: Arc<Catalog<Vm>>,
    snapshots: Arc<Catalog<Snapshot>>,
    events: Events,
    limits: RunnerLimits,
    execs: Arc<Semaphore>,
    /// What is new is refused, and who follows something is told that no more comes.
    refusing: CancellationToken,
    /// Ends minders and followers.
    stopping: CancellationToken,
    /// Minders, followers, and work that goes on without its caller: at most two for each VM, one for each
    /// request that is answered, and one.
    tasks: TaskTracker,
}

impl Runner {
    pub(crate) fn new(
        node: Arc<dyn Node>,
        store: Store,
        limits: RunnerLimits,
        vms: Vec<(Option<String>, Arc<Vm>)>,
        snapshots: Vec<(Option<String>, Arc<Snapshot>)>,
    ) -> Self {
        Self(Arc::new(Inner {
            node,
            store,
            vms: Catalog::new(limits.vms, vms),
            snapshots: Catalog::new(limits.snapshots, snapshots),
            events: Events::new(),
            limits,
            execs: Arc::new(Semaphore::new(limits.execs as usize)),
            refusing: CancellationToken::new(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// The node, for what needs no routing: images, templates, pools.
    pub fn node(&self) -> &Arc<dyn Node> {
        &self.0.node
    }

    /// Whether [`Runner::refuse_more`] or [`Runner::shut_down`] was called.
    pub fn is_shutting_down(&self) -> bool {
        self.0.refusing.is_cancelled()
    }

    pub(crate) fn limits(&self) -> &RunnerLimits {
        &self.0.limits
    }

    /// Follows what happens to VMs and snapshots from now on, or from behind the event of this number.
    pub fn follow_events(&self, after: Option<u64>) -> Subscription {
        self.0.events.subscribe(after)
    }

    /// Runs a program in a VM of its own.
    ///
    /// # Errors
    /// See [`RunError`]; no VM is left leased then.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the VM is given back.
    pub async fn exec_once(&self, call: ExecCall) -> Result<RunningExec, RunError> {
        let permit = admit(&self.0.execs).ok_or(RunError::TooMany {
            limit: self.0.limits.execs,
        })?;
        let lease = self
            .lease(LeaseRequest {
                template: call.selector,
                start_within: call.start_within,
            })
            .await?;
        let handle = self.0.node.exec(&lease.lease().id, call.exec).await?;
        Ok(RunningExec::fresh(handle, lease, permit))
    }

    /// Runs a program in a VM that stays; the VM's environment comes before the program's own.
    ///
    /// # Errors
    /// See [`VmError`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing runs.
    pub async fn vm_exec(
        &self,
        id_or_name: &str,
        mut exec: ExecRequest,
    ) -> Result<RunningExec, VmError> {
        let permit = self.admit_into_vm()?;
        let pass = self.enter(id_or_name).await?;
        pass.add_env(&mut exec);
        let handle = self.0.node.exec(pass.id(), exec).await?;
        Ok(RunningExec::reused(handle, pass, permit))
    }

    /// A place for something that is done in a VM that stays.
    ///
    /// # Errors
    /// [`VmError::TooManyExecs`].
    pub(crate) fn admit_into_vm(&self) -> Result<OwnedSemaphorePermit, VmError> {
        admit(&self.0.execs).ok_or(VmError::TooManyExecs {
            limit: self.0.limits.execs,
        })
    }

    /// Lets something go on that holds a [`VmPort`](crate::VmPort), which bounds how many there are. It ends with
    /// [`Runner::shut_down`] at the latest.
    pub fn tend(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.0.stopping.clone();
        self.0.tasks.spawn(async move {
            stopping.run_until_cancelled(work).await;
        });
    }

    /// Ends when [`Runner::shut_down`] is called, for those who hold on to something inside a VM.
    pub async fn stopped(&self) {
        self.0.stopping.cancelled().await;
    }

    /// Ends when [`Runner::refuse_more`] or [`Runner::shut_down`] is called, for those who follow something.
    pub async fn refusing(&self) {
        self.0.refusing.cancelled().await;
    }

    /// Refuses what is new from now on, and tells those who follow events that no more come.
    pub fn refuse_more(&self) {
        self.0.refusing.cancel();
        self.0.events.close();
    }

    /// Refuses what is new, waits for changes that are under way, and ends everything but VMs that stay.
    pub async fn shut_down(&self) {
        self.refuse_more();
        self.0.stopping.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.node.shut_down().await;
    }

    pub(crate) fn downgrade(&self) -> WeakRunner {
        WeakRunner(Arc::downgrade(&self.0))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn catalog(&self) -> &Arc<Catalog<Vm>> {
        &self.0.vms
    }

    pub(crate) fn snapshot_catalog(&self) -> &Arc<Catalog<Snapshot>> {
        &self.0.snapshots
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    pub(crate) fn refuse_new(&self) -> Result<(), VmError> {
        if self.is_shutting_down() {
            return Err(VmError::ShuttingDown);
        }
        Ok(())
    }

    pub(crate) fn tell_vm(&self, kind: EventKind, vm: &Vm, reason: Option<String>) {
        let info = vm.info();
        let name = info.name.as_deref();
        self.0.events.publish(kind, info.id.as_str(), name, reason);
    }

    pub(crate) fn tell_snapshot(&self, kind: EventKind, snapshot: &SnapshotInfo) {
        let name = Some(snapshot.name.as_str());
        self.0
            .events
            .publish(kind, snapshot.id.as_str(), name, None);
    }

    pub(crate) async fn lease(&self, request: LeaseRequest) -> Result<LeaseGuard, LeaseError> {
        if self.is_shutting_down() {
            return Err(LeaseError::ShuttingDown);
        }
        let lease = self.0.node.lease(request).await?;
        Ok(LeaseGuard::new(lease, self.0.node.clone()))
    }

    /// The first run of a lease wakes its clone. An image without a shell is awake all the same: the agent
    /// wakes the clone before it looks for the program.
    pub(crate) async fn wake(&self, lease: &Lease) -> Result<(), ExecError> {
        let mut handle = match self.0.node.exec(&lease.id, nothing()).await {
            Ok(handle) => handle,
            Err(error) => return refused_is_awake(error),
        };
        while let Some(event) = handle.output.recv().await {
            match event {
                Ok(ExecEvent::Exit { .. }) => return Ok(()),
                Ok(ExecEvent::Stdout(_) | ExecEvent::Stderr(_)) => {}
                Err(error) => return refused_is_awake(error),
            }
        }
        Err(ExecError::Lost("it ended without an answer".to_owned()))
    }
}

/// A place, if there is one; nobody waits here.
fn admit(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).try_acquire_owned().ok()
}

/// A program that does nothing.
fn nothing() -> ExecRequest {
    ExecRequest {
        program: ExecProgram::Argv(vec!["true".to_owned()]),
        env: Vec::new(),
        cwd: Some("/".to_owned()),
        user: Some("0:0".to_owned()),
        stdin: false,
        timeout: Some(std::time::Duration::from_secs(30)),
        output_limit_bytes: 0,
        pty: None,
    }
}

/// The guest answered, so it is awake, unless waking is what it refused.
fn refused_is_awake(error: ExecError) -> Result<(), ExecError> {
    match error {
        ExecError::Refused { kind, .. } if kind != FailureKind::Wake => Ok(()),
        other => Err(other),
    }
}
