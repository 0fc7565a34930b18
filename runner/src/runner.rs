//! What the API calls.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use thaw_pool_manager::{
    ExecError, ExecEvent, ExecProgram, ExecRequest, Lease, LeaseError, LeaseRequest, Node,
    TemplateInfo, vmm::protocol::FailureKind,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    CreateVm, ExecCall, RunError, RunnerLimits, RunningExec, VmError, VmInfo, guard::LeaseGuard,
    vms::Vms,
};

/// Routes requests to a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // Dropped first: the VMs are given back to a node that is still there.
    vms: Vms,
    node: Arc<dyn Node>,
    limits: RunnerLimits,
    execs: Arc<Semaphore>,
    vm_places: Arc<Semaphore>,
    shutting_down: AtomicBool,
}

impl Runner {
    /// A runner over one node.
    pub fn new(node: Arc<dyn Node>, limits: RunnerLimits) -> Self {
        Self(Arc::new(Inner {
            vms: Vms::default(),
            node,
            limits,
            execs: Arc::new(Semaphore::new(limits.execs as usize)),
            vm_places: Arc::new(Semaphore::new(limits.vms as usize)),
            shutting_down: AtomicBool::new(false),
        }))
    }

    /// The node, for what needs no routing: images, templates, pools.
    pub fn node(&self) -> &Arc<dyn Node> {
        &self.0.node
    }

    /// Whether [`Runner::shut_down`] was called.
    pub fn is_shutting_down(&self) -> bool {
        self.0.shutting_down.load(Ordering::Relaxed)
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

    /// Makes a long-lived VM. It is awake and has answered when this returns.
    ///
    /// # Errors
    /// See [`VmError`]; no VM is left leased then, and its name is free.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the VM is given back and its name is free.
    pub async fn create_vm(&self, call: CreateVm) -> Result<VmInfo, VmError> {
        let place = admit(&self.0.vm_places).ok_or(VmError::TooMany {
            what: "VMs",
            limit: self.0.limits.vms,
        })?;
        let name = self.0.vms.reserve(call.name.as_deref())?;
        let lease = self
            .lease(LeaseRequest {
                template: call.selector,
                start_within: call.start_within,
            })
            .await?;
        self.wake(lease.lease()).await?;
        let template = self.template_of(lease.lease()).await?;
        Ok(name.enter(lease, template.image, template.shape, place))
    }

    /// Every long-lived VM, newest first.
    pub fn vms(&self) -> Vec<VmInfo> {
        self.0.vms.list()
    }

    /// Finds a VM by id, name, or the beginning of exactly one id.
    ///
    /// # Errors
    /// [`VmError::NotFound`].
    pub fn vm(&self, id_or_name: &str) -> Result<VmInfo, VmError> {
        self.0.vms.find(id_or_name).map(|(info, _)| info)
    }

    /// Runs a program in a long-lived VM.
    ///
    /// # Errors
    /// See [`VmError`]. A VM that has ended is forgotten when this finds out.
    pub async fn vm_exec(
        &self,
        id_or_name: &str,
        exec: ExecRequest,
    ) -> Result<RunningExec, VmError> {
        let (info, lease) = self.0.vms.find(id_or_name)?;
        let permit = admit(&self.0.execs).ok_or(VmError::TooMany {
            what: "programs",
            limit: self.0.limits.execs,
        })?;
        match self.0.node.exec(&info.id, exec).await {
            Ok(handle) => Ok(RunningExec::reused(handle, lease, permit)),
            Err(error) => {
                if is_gone(&error) {
                    // Somebody else may have removed it in the meantime.
                    let _ = self.0.vms.remove(info.id.as_str());
                }
                Err(error.into())
            }
        }
    }

    /// Ends a VM, and what runs in it.
    ///
    /// # Errors
    /// [`VmError::NotFound`].
    pub fn delete_vm(&self, id_or_name: &str) -> Result<(), VmError> {
        let id = self.0.vms.remove(id_or_name)?;
        // Programs that still run hold the guard; the VM goes now all the same.
        self.0.node.release(&id);
        Ok(())
    }

    /// Refuses what is new and ends everything but VMs that the node keeps.
    pub async fn shut_down(&self) {
        self.0.shutting_down.store(true, Ordering::Relaxed);
        self.0.node.shut_down().await;
    }

    async fn lease(&self, request: LeaseRequest) -> Result<LeaseGuard, LeaseError> {
        if self.is_shutting_down() {
            return Err(LeaseError::ShuttingDown);
        }
        let lease = self.0.node.lease(request).await?;
        Ok(LeaseGuard::new(lease, self.0.node.clone()))
    }

    /// The first run of a lease wakes its clone. An image without a shell is awake all the same: the agent
    /// wakes the clone before it looks for the program.
    async fn wake(&self, lease: &Lease) -> Result<(), ExecError> {
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

    async fn template_of(&self, lease: &Lease) -> Result<TemplateInfo, LeaseError> {
        let templates = self.0.node.templates().await;
        templates
            .into_iter()
            .find(|template| template.id == lease.template)
            .ok_or_else(|| LeaseError::UnknownTemplate(lease.template.to_string()))
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

/// Whether the error says that the VM is there no more.
fn is_gone(error: &ExecError) -> bool {
    match error {
        ExecError::UnknownLease(_) | ExecError::VmEnded { .. } | ExecError::Lost(_) => true,
        ExecError::Refused { .. }
        | ExecError::BadRequest(_)
        | ExecError::Paused(_)
        | ExecError::TooMany => false,
    }
}

/// The guest answered, so it is awake, unless waking is what it refused.
fn refused_is_awake(error: ExecError) -> Result<(), ExecError> {
    match error {
        ExecError::Refused { kind, .. } if kind != FailureKind::Wake => Ok(()),
        other => Err(other),
    }
}
