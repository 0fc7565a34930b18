//! A program's start in a clone, whatever the clone does.

use std::{sync::Arc, time::Instant};

use thaw_vmm::{Machine, RunInput, RunOutput, protocol::Request};
use tokio::sync::OwnedSemaphorePermit;

use super::Leased;
use crate::{
    ExecError, ExecTimings,
    exec_request::opening,
    pause::Life,
    run::{Begun, guest_error},
    standstill::{StandstillError, go_on},
    wake::{rouse, wake},
};

/// A request up to this size is handed over before the guest's CPUs run, so that the guest finds it at
/// once; a larger one would not fit into what the connection takes in advance.
const AHEAD_BYTES: usize = 64 * 1024;

/// A program that was started in the guest.
pub(crate) struct Started {
    pub(crate) input: RunInput,
    pub(crate) output: RunOutput,
    pub(crate) begun: Begun,
}

impl Leased {
    /// Starts a program; the first one wakes the clone.
    ///
    /// # Errors
    /// When the guest can't be used any more the machine is taken away.
    pub(crate) async fn start(&self, request: Request) -> Result<Started, ExecError> {
        let permit = Arc::clone(&self.execs)
            .try_acquire_owned()
            .map_err(|_| ExecError::TooMany)?;
        let machine = self.machine();
        let machine = machine.ok_or_else(|| self.lost("it was released"))?;
        if self.end.now().is_some() {
            let error = self.lost("it has ended");
            drop(machine);
            self.end_now();
            return Err(error);
        }
        let started = self
            .gone
            .run_until_cancelled(self.start_in(&*machine, request, permit))
            .await;
        // Let go of it before anything else is waited for: a release is not to be held up.
        drop(machine);
        match started {
            Some(Err(error @ (ExecError::Lost(_) | ExecError::VmEnded { .. }))) => {
                let error = self.explain(error).await;
                self.end_now();
                Err(error)
            }
            Some(started) => started,
            None => Err(self.lost("it was released")),
        }
    }

    async fn start_in(
        &self,
        machine: &dyn Machine,
        request: Request,
        permit: OwnedSemaphorePermit,
    ) -> Result<Started, ExecError> {
        let mut life = self.life().await;
        match *life {
            Life::Asleep => return self.wake_with(machine, request, permit, &mut life).await,
            Life::Awake => {}
            Life::Paused => return Err(ExecError::Paused(self.id.to_string())),
            Life::Adopted => {
                let wake = rouse()
                    .map_err(StandstillError::from)
                    .map_err(|error| error.lost())?;
                let went_on = go_on(machine, wake).await;
                went_on.map_err(|error| error.lost())?;
                self.set_life(&mut life, Life::Awake);
            }
        }
        drop(life);
        let (opening, _) = opening(request, None)?;
        let begin = Instant::now();
        let (input, output) = machine.guest().run(&opening).await.map_err(guest_error)?;
        let timings = ExecTimings {
            connect: begin.elapsed(),
            ..ExecTimings::default()
        };
        Ok(Started {
            input,
            output,
            begun: Begun::now(timings, permit),
        })
    }

    /// The first program: what wakes the guest goes with it, before or while its CPUs begin to run.
    async fn wake_with(
        &self,
        machine: &dyn Machine,
        request: Request,
        permit: OwnedSemaphorePermit,
        life: &mut Life,
    ) -> Result<Started, ExecError> {
        let no_entropy = |error| ExecError::Lost(format!("no wake data: {error}"));
        let wake = wake(self.id.as_str()).map_err(no_entropy)?;
        let (opening, size) = opening(request, Some(wake))?;
        let begin = Instant::now();
        let run = async { machine.guest().run(&opening).await.map_err(guest_error) };
        let resume = async {
            let begin = Instant::now();
            let resumed = machine.resume().await;
            (
                resumed.map_err(|error| ExecError::Lost(crate::error::chain(&error))),
                begin.elapsed(),
            )
        };
        let (run, (resumed, resume)) = if size <= AHEAD_BYTES {
            let run = run.await;
            (run, resume.await)
        } else {
            tokio::join!(run, resume)
        };
        resumed?;
        let (input, output) = run?;
        self.set_life(life, Life::Awake);
        // The stages must add up: where the two went side by side, what the resume took is not counted twice.
        let timings = ExecTimings {
            connect: begin.elapsed().saturating_sub(resume),
            resume,
            ..ExecTimings::default()
        };
        Ok(Started {
            input,
            output,
            begun: Begun::now(timings, permit),
        })
    }
}
