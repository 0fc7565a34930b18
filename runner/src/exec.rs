//! One program that runs.

use std::time::Duration;

use thaw_pool_manager::{
    ExecError, ExecEvent, ExecHandle, ExecInput, ExecRequest, StartKind, TemplateSelector,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{VmPass, guard::LeaseGuard};

/// A program to run in a fresh VM.
#[derive(Debug, Clone)]
pub struct ExecCall {
    /// The VM's template.
    pub selector: TemplateSelector,
    /// What to run.
    pub exec: ExecRequest,
    /// How long the caller waits for a clone, a bake included.
    pub start_within: Duration,
}

/// A program that runs. Dropping it ends the program; a VM that was leased for it alone is gone within a second.
#[derive(Debug)]
pub struct RunningExec {
    // Fields are dropped in this order: the program ends before its VM is given back.
    handle: ExecHandle,
    start: StartKind,
    queue: Duration,
    restore: Duration,
    place: Place,
    _permit: OwnedSemaphorePermit,
}

/// Where a program runs; dropping it gives a VM back that was leased for it.
#[derive(Debug)]
enum Place {
    Fresh(Box<LeaseGuard>),
    Reused(VmPass),
}

impl RunningExec {
    /// In a VM that was leased for this program.
    pub(crate) fn fresh(
        handle: ExecHandle,
        lease: LeaseGuard,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            handle,
            start: lease.lease().start,
            queue: lease.lease().queue,
            restore: lease.lease().restore,
            place: Place::Fresh(Box::new(lease)),
            _permit: permit,
        }
    }

    /// In a VM that was there and stays.
    pub(crate) fn reused(handle: ExecHandle, pass: VmPass, permit: OwnedSemaphorePermit) -> Self {
        Self {
            handle,
            start: StartKind::Reused,
            queue: Duration::ZERO,
            restore: Duration::ZERO,
            place: Place::Reused(pass),
            _permit: permit,
        }
    }

    /// The id of the VM that it runs in.
    pub fn vm_id(&self) -> &str {
        match &self.place {
            Place::Fresh(lease) => lease.lease().id.as_str(),
            Place::Reused(pass) => pass.id().as_str(),
        }
    }

    /// How the VM came to be.
    pub fn start(&self) -> StartKind {
        self.start
    }

    /// How long it waited for a clone.
    pub fn queue(&self) -> Duration {
        self.queue
    }

    /// How long a clone was restored for it.
    pub fn restore(&self) -> Duration {
        self.restore
    }

    /// What goes in, and what comes out. The last event is `Exit` or an error.
    pub fn channels(
        &mut self,
    ) -> (
        &mpsc::Sender<ExecInput>,
        &mut mpsc::Receiver<Result<ExecEvent, ExecError>>,
    ) {
        (&self.handle.input, &mut self.handle.output)
    }
}
