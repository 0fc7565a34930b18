//! Pausing a leased clone, and letting it go on.

use std::sync::Arc;

use thaw_vmm::Machine;

use crate::{
    ExecError, VmError,
    lease::Leased,
    standstill::{StandstillError, go_on, halt},
    wake::{rouse, wake},
};

/// What a leased clone does. Only who holds it locked changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Its CPUs stand still since it was proven; the first program wakes it.
    Asleep,
    /// Its CPUs run.
    Awake,
    /// Its CPUs stand still, its programs are at rest.
    Paused,
    /// Its CPUs run; its programs may be at rest, because an earlier daemon ended in the middle of a pause.
    Adopted,
}

impl Life {
    /// Whether the CPUs run.
    pub(crate) fn runs(self) -> bool {
        match self {
            Self::Awake | Self::Adopted => true,
            Self::Asleep | Self::Paused => false,
        }
    }
}

impl Leased {
    /// Brings the programs to rest and stops the CPUs. Programs that were started go on when the clone
    /// does, on the same connection; new ones are refused until then. A clone that is paused or asleep is
    /// left as it is.
    ///
    /// # Errors
    /// The clone runs on then. One whose guest is gone is ended.
    ///
    /// # Cancel safety
    /// Once begun, it is carried to its end.
    pub(crate) async fn pause(self: &Arc<Self>) -> Result<(), VmError> {
        let leased = Arc::clone(self);
        self.to_its_end("pause", async move {
            let mut life = leased.life().await;
            match *life {
                Life::Asleep | Life::Paused => {}
                Life::Awake | Life::Adopted => {
                    leased
                        .with_machine("pause", async move |machine| halt(&*machine, None).await)
                        .await?;
                    leased.set_life(&mut life, Life::Paused);
                }
            }
            Ok(())
        })
        .await
    }

    /// Lets the CPUs run: clock and random generator are put right, then the programs go on. One that was
    /// never woken is woken. A running clone is left as it is.
    ///
    /// # Errors
    /// The clone stays paused then. One whose guest is gone is ended.
    ///
    /// # Cancel safety
    /// Once begun, it is carried to its end.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<(), VmError> {
        let leased = Arc::clone(self);
        self.to_its_end("resume", async move {
            let mut life = leased.life().await;
            let wake = match *life {
                Life::Awake => return Ok(()),
                Life::Asleep => wake(leased.id().as_str()),
                Life::Paused | Life::Adopted => rouse(),
            };
            leased
                .with_machine("resume", async move |machine| go_on(&*machine, wake?).await)
                .await?;
            leased.set_life(&mut life, Life::Awake);
            Ok(())
        })
        .await
    }

    /// Does something to the machine, unless it is taken away meanwhile.
    pub(crate) async fn with_machine<T, W>(
        &self,
        attempt: &'static str,
        act: impl FnOnce(Arc<dyn Machine>) -> W,
    ) -> Result<T, VmError>
    where
        W: Future<Output = Result<T, StandstillError>>,
    {
        let unknown = || VmError::Unknown(self.id().clone());
        let machine = self.machine().ok_or_else(unknown)?;
        let done = self.until_gone(act(machine)).await;
        let error = match done {
            None => return Err(unknown()),
            Some(Ok(done)) => return Ok(done),
            Some(Err(error)) => error,
        };
        let silent = matches!(error, StandstillError::NoAnswer);
        match error.of(self.id(), attempt) {
            VmError::Guest(error @ (ExecError::Lost(_) | ExecError::VmEnded { .. })) if !silent => {
                let error = self.explain(error).await;
                self.end_now();
                Err(error.into())
            }
            error => Err(error),
        }
    }
}
