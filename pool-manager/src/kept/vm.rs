//! One VM that stays.

use std::sync::{Arc, PoisonError};

use thaw_image::{ImageConfig, ImagePin};
use thaw_vmm::{Console, Machine, Shape};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio_util::sync::CancellationToken;

use crate::{KeptVm, LeaseId, TemplateId, VmError, VmState, lease::Leased};

/// What never changes about a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: LeaseId,
    pub(crate) template: TemplateId,
    /// The image's digest.
    pub(crate) image: String,
    pub(crate) shape: Shape,
    pub(crate) config: ImageConfig,
}

/// What a VM does.
#[derive(Debug)]
pub(super) enum Phase {
    Running(Arc<Leased>),
    Paused(Arc<Leased>),
    Stopped,
    Released,
}

impl Phase {
    /// The lease, while there is a VMM.
    pub(super) fn leased(&self) -> Option<&Arc<Leased>> {
        match self {
            Self::Running(leased) | Self::Paused(leased) => Some(leased),
            Self::Stopped | Self::Released => None,
        }
    }

    fn console(&self) -> Option<Console> {
        Some(self.leased()?.machine()?.console())
    }

    fn state(&self) -> VmState {
        match self {
            Self::Running(_) => VmState::Running,
            Self::Paused(_) => VmState::Paused,
            Self::Stopped | Self::Released => VmState::Stopped,
        }
    }
}

/// A VM that stays.
#[derive(Debug)]
pub(super) struct Vm {
    pub(super) facts: Facts,
    /// Held by whoever changes it.
    phase: Mutex<Phase>,
    /// What it does, for those who only want to know.
    state: watch::Sender<VmState>,
    /// Of its last VMM, or of the one that it has; none when this daemon has not seen one.
    console: std::sync::Mutex<Option<Console>>,
    /// Cancelled when it is released: whoever changes it gives up.
    pub(super) released: CancellationToken,
    /// Keeps the image from being removed; none where it is missing, and then the VM can't be booted.
    _image: Option<ImagePin>,
}

impl Vm {
    pub(super) fn new(facts: Facts, phase: Phase, image: Option<ImagePin>) -> Arc<Self> {
        Arc::new(Self {
            facts,
            state: watch::Sender::new(phase.state()),
            console: std::sync::Mutex::new(phase.console()),
            phase: Mutex::new(phase),
            released: CancellationToken::new(),
            _image: image,
        })
    }

    pub(super) fn id(&self) -> &LeaseId {
        &self.facts.id
    }

    pub(super) fn info(&self) -> KeptVm {
        KeptVm {
            id: self.facts.id.clone(),
            template: self.facts.template.clone(),
            state: *self.state.borrow(),
        }
    }

    /// What it says, or said last.
    pub(super) fn console(&self) -> Option<Console> {
        self.lock_console().clone()
    }

    fn lock_console(&self) -> std::sync::MutexGuard<'_, Option<Console>> {
        // It is only ever set as a whole.
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn to change the VM.
    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn {
            vm: self,
            phase: self.phase.lock().await,
        }
    }

    /// Its machine, while there is a VMM; waits for a change that is under way.
    pub(super) async fn machine(&self) -> Option<Arc<dyn Machine>> {
        self.phase.lock().await.leased()?.machine()
    }

    /// Does something for as long as the VM is not released.
    pub(super) async fn unless_released<T>(
        &self,
        work: impl Future<Output = Result<T, VmError>>,
    ) -> Result<T, VmError> {
        let done = self.released.run_until_cancelled(work).await;
        done.unwrap_or_else(|| Err(VmError::Unknown(self.id().clone())))
    }
}

/// The right to change a VM.
pub(super) struct Turn<'a> {
    vm: &'a Vm,
    phase: MutexGuard<'a, Phase>,
}

impl Turn<'_> {
    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(super) fn set(&mut self, phase: Phase) {
        if let Some(console) = phase.console() {
            *self.vm.lock_console() = Some(console);
        }
        self.vm.state.send_replace(phase.state());
        *self.phase = phase;
    }

    /// The VM is in no state for this.
    pub(super) fn refuse<T>(&self, attempt: &'static str) -> Result<T, VmError> {
        let id = self.vm.id().clone();
        Err(match &*self.phase {
            Phase::Released => VmError::Unknown(id),
            phase => VmError::State {
                id,
                attempt,
                state: phase.state(),
            },
        })
    }
}
