//! Bringing a running machine to a stand, and letting it go on.
//!
//! ```text
//! running ──Quiesce: programs at rest──► ──stop──► standing
//!     └── the guest refuses, or does not answer ─► running, as before
//! standing ──cont, wake, Continue──► running: generator, clock and names are right before any program runs
//!     └── the guest does not answer ─► standing, as before
//! ```

use std::{
    io,
    time::{Duration, Instant},
};

use thaw_vmm::{
    ControlError, GuestError, Machine,
    protocol::{Handover, Opening, Request, Wake},
};
use thiserror::Error;
use tokio::time::timeout;

use crate::{ExecError, LeaseId, VmError, error::chain, run::guest_error};

/// How long the agent may take to bring its programs to rest or to let them go on. Its own patience is
/// 5 seconds; the rest is for a host that is short of CPUs.
const AGENT_WITHIN: Duration = Duration::from_secs(15);

/// A machine did not come to a stand, or did not go on.
#[derive(Debug, Error)]
pub(crate) enum StandstillError {
    /// The guest did not do its part.
    #[error("the guest did not do its part")]
    Guest(#[from] GuestError),
    /// The agent did not answer.
    #[error("the agent did not answer within {AGENT_WITHIN:?}")]
    NoAnswer,
    /// The VMM refused.
    #[error("the VMM did not do its part")]
    Control(#[from] ControlError),
    /// The kernel gives no random bytes.
    #[error("no wake data")]
    Entropy(#[from] io::Error),
}

impl StandstillError {
    /// What the caller of a program is told.
    pub(crate) fn lost(&self) -> ExecError {
        ExecError::Lost(chain(self))
    }

    /// What the caller is told.
    pub(crate) fn of(self, id: &LeaseId, attempt: &'static str) -> VmError {
        match self {
            Self::Guest(error) => VmError::Guest(guest_error(error)),
            Self::NoAnswer => VmError::Guest(ExecError::Lost(self.to_string())),
            Self::Control(_) | Self::Entropy(_) => VmError::Control {
                id: id.clone(),
                attempt,
                source: Box::new(self),
            },
        }
    }
}

/// Brings the guest's programs to rest and stops its CPUs; returns when they began to stop. Whoever knows
/// `handover` may take over the guest's connection.
///
/// # Errors
/// The machine runs on then.
///
/// # Cancel safety
/// Not cancel safe: the programs may be at rest in a machine that runs.
pub(crate) async fn halt(
    machine: &dyn Machine,
    handover: Option<Handover>,
) -> Result<Instant, StandstillError> {
    let stopped = match call(machine, Request::Quiesce { handover }, None).await {
        Ok(()) => {
            let begin = Instant::now();
            let stopped = machine.pause().await;
            stopped.map(|()| begin).map_err(StandstillError::from)
        }
        Err(error) => Err(error),
    };
    if stopped.is_err() {
        // One that is not at rest takes no harm, and one that does not answer can't be helped.
        let _ = call(machine, Request::Continue, None).await;
    }
    stopped
}

/// Lets a machine that stands go on, with `wake` put right before any of its programs runs; returns when
/// its CPUs ran.
///
/// # Errors
/// The machine stands still then, if it is there at all.
///
/// # Cancel safety
/// Not cancel safe: the programs may be at rest in a machine that runs.
pub(crate) async fn go_on(machine: &dyn Machine, wake: Wake) -> Result<Instant, StandstillError> {
    // Written while the CPUs stand still, the request is there when they run.
    let roused = call(machine, Request::Continue, Some(wake));
    let resume = async {
        let resumed = machine.resume().await;
        resumed.map(|()| Instant::now())
    };
    let (roused, resumed) = tokio::join!(biased; roused, resume);
    let went_on = match resumed {
        Ok(at) => roused.map(|()| at),
        Err(error) => Err(error.into()),
    };
    if went_on.is_err() {
        // A machine that is gone stands still anyway.
        let _ = machine.pause().await;
    }
    went_on
}

async fn call(
    machine: &dyn Machine,
    request: Request,
    wake: Option<Wake>,
) -> Result<(), StandstillError> {
    let opening = Opening { wake, request };
    timeout(AGENT_WITHIN, machine.guest().call(&opening))
        .await
        .map_err(|_| StandstillError::NoAnswer)??;
    Ok(())
}
