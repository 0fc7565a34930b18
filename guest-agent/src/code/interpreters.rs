//! The interpreters of this guest: at most one of each language, waiting.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::{fcntl::OFlag, unistd::pipe2};
use thaw_guest_protocol::{FailureKind, Language};

use super::{message::Source, resident::Resident};
use crate::{exec::null, failure::OperationError, process::Children};

/// What the proof runs, and what must come of it.
const PROOF: (&str, &[u8]) = ("print(6*7)\n", b"42\n");

/// The interpreters that wait for code.
#[derive(Debug)]
pub(crate) struct Interpreters {
    children: Children,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The image's environment, which interpreters start with.
    env: Vec<(String, String)>,
    python: Option<Arc<Resident>>,
}

impl Interpreters {
    pub(crate) fn new(children: Children) -> Self {
        Self {
            children,
            state: Mutex::default(),
        }
    }

    /// Starts what the image has, if it does not wait already, with this environment.
    ///
    /// # Errors
    /// When an interpreter is there but does not start; an image without one is no error.
    pub(crate) async fn prepare(&self, env: Vec<(String, String)>) -> Result<(), OperationError> {
        let changed = {
            let mut state = self.state();
            let changed = state.env != env;
            state.env = env;
            changed
        };
        if self.resident().is_some() && !changed {
            return Ok(());
        }
        match self.keep().await {
            Ok(_) => Ok(()),
            Err(OperationError::Refused(failure)) if failure.kind == FailureKind::NoInterpreter => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a fixed snippet in each interpreter, in a namespace that is thrown away.
    ///
    /// # Errors
    /// When an interpreter does not do what it should.
    pub(crate) async fn prove(&self) -> Result<(), OperationError> {
        let Some(resident) = self.resident() else {
            return Ok(());
        };
        let failed = |why: String| {
            OperationError::refused(FailureKind::System, format!("proof of python3: {why}"))
        };
        let (output, fds) = proof_streams()?;
        let source = Source {
            cwd: "/",
            env: &[],
            code: PROOF.0,
        };
        let code = resident
            .prove(&source, &fds)
            .await
            .map_err(|error| failure_text(&error.to_string(), &failed))?;
        let mut said = [0; 64];
        let read = nix::unistd::read(&output, &mut said)
            .map_err(|errno| OperationError::system("read the proof of python3", errno))?;
        if code != 0 || &said[..read] != PROOF.1 {
            let said = String::from_utf8_lossy(&said[..read]).into_owned();
            return Err(failed(format!("exit code {code}, output {said:?}")));
        }
        Ok(())
    }

    /// The languages that wait, and their versions.
    pub(crate) fn list(&self) -> Vec<(Language, String)> {
        self.resident()
            .map(|python| (Language::Python, python.version()))
            .into_iter()
            .collect()
    }

    /// An interpreter to use up: the one that waits, or a new one.
    ///
    /// # Errors
    /// [`FailureKind::NoInterpreter`] when the image has none.
    pub(super) async fn take(&self) -> Result<Resident, OperationError> {
        let waiting = self.state().python.take();
        // One that is being forked from in this moment stays with those who use it.
        match waiting.map(Arc::try_unwrap) {
            Some(Ok(resident)) => Ok(resident),
            Some(Err(shared)) => {
                self.state().python.get_or_insert(shared);
                self.start().await
            }
            None => self.start().await,
        }
    }

    /// An interpreter to fork from, which stays: the one that waits, or a new one.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) async fn share(&self) -> Result<Arc<Resident>, OperationError> {
        match self.resident() {
            Some(resident) => Ok(resident),
            None => self.keep().await,
        }
    }

    /// Replaces the one that waits, for example because it has died.
    pub(super) async fn keep(&self) -> Result<Arc<Resident>, OperationError> {
        let resident = Arc::new(self.start().await?);
        self.state().python = Some(Arc::clone(&resident));
        Ok(resident)
    }

    async fn start(&self) -> Result<Resident, OperationError> {
        let env = self.state().env.clone();
        let started = Resident::start(&env, &self.children).await;
        started.map_err(|error| match error {
            OperationError::Refused(mut failure)
                if failure.kind == FailureKind::ProgramNotFound =>
            {
                failure.kind = FailureKind::NoInterpreter;
                failure.message = "the image has no python3 in its PATH".into();
                OperationError::Refused(failure)
            }
            other => other,
        })
    }

    fn resident(&self) -> Option<Arc<Resident>> {
        self.state().python.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update is one assignment, so a panic elsewhere can't have left it half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure_text(text: &str, make: &impl Fn(String) -> OperationError) -> OperationError {
    make(text.to_owned())
}

fn proof_streams() -> Result<(OwnedFd, Vec<OwnedFd>), OperationError> {
    let system = |errno| OperationError::system("make the streams of a proof", errno);
    let (output, written) = pipe2(OFlag::O_CLOEXEC).map_err(system)?;
    let errors = written
        .try_clone()
        .map_err(|error| OperationError::io("make the streams of a proof", &error))?;
    Ok((output, vec![null().map_err(system)?, written, errors]))
}
