//! The function of this machine: at most one.

use thaw_guest_protocol::{FailureKind, LoadFunction};
use tokio::sync::{Mutex, MutexGuard};

use super::{attend::Process, lambda::Runtime, resident::Resident};
use crate::failure::OperationError;

/// What answers events.
#[derive(Debug)]
pub(super) enum Server {
    /// An interpreter that has loaded the handler.
    Resident(Box<Resident>),
    /// A program for each event.
    Command { argv: Vec<String> },
    /// A program that speaks the Lambda Runtime API.
    Lambda(Box<Runtime>),
    /// A server on a port.
    Http {
        process: Box<Process>,
        port: u16,
        /// Where it is told that the machine was thawed.
        after_restore: Option<String>,
    },
}

impl Server {
    /// Whether its process is over; one that is started for each event has none before that.
    pub(super) async fn has_ended(&mut self) -> bool {
        let process = match self {
            Self::Command { .. } => return false,
            Self::Resident(resident) => &mut resident.process,
            Self::Lambda(runtime) => &mut runtime.process,
            Self::Http { process, .. } => process,
        };
        tokio::select! {
            biased;
            _ = process.child.wait() => true,
            () = std::future::ready(()) => false,
        }
    }
}

/// A function that is ready for an event.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) load: LoadFunction,
    pub(super) server: Server,
    /// The machine was thawed since the last event.
    pub(super) restored: bool,
    /// What the kernel had killed for want of memory when it was last looked.
    pub(super) kills: u64,
}

/// The function of this machine, if it has one.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    /// Held for as long as an event is served.
    loaded: Mutex<Option<Loaded>>,
}

impl Functions {
    /// Whoever holds it is the only one to use the function.
    ///
    /// # Errors
    /// [`FailureKind::Exhausted`] while an event is served.
    pub(super) fn hold(&self) -> Result<MutexGuard<'_, Option<Loaded>>, OperationError> {
        self.loaded.try_lock().map_err(|_| {
            OperationError::refused(
                FailureKind::Exhausted,
                "the function serves another event in this machine",
            )
        })
    }

    /// The machine was thawed.
    pub(crate) fn thawed(&self) {
        // One that serves an event in this moment was not frozen.
        if let Ok(mut loaded) = self.loaded.try_lock()
            && let Some(loaded) = loaded.as_mut()
        {
            loaded.restored = true;
        }
    }

    /// Takes the paths of an event once, if a function is loaded; whether one is.
    ///
    /// # Errors
    /// When the function's process does not answer.
    pub(crate) async fn prove(&self) -> Result<bool, OperationError> {
        let mut loaded = self.hold()?;
        let Some(loaded) = loaded.as_mut() else {
            return Ok(false);
        };
        match &mut loaded.server {
            Server::Resident(resident) => resident.ping(&loaded.load.name).await?,
            // A server or a runtime would notice; what a program needs is what every exec needs.
            Server::Command { .. } | Server::Lambda(_) | Server::Http { .. } => return Ok(false),
        }
        Ok(true)
    }
}
