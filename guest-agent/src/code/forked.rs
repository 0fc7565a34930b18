//! A fork of a resident interpreter that runs somebody's code.

use std::sync::Arc;

use nix::{errno::Errno, unistd::Pid};
use thaw_guest_protocol::{ExitStatus, FailureKind};
use tokio::sync::mpsc;

use super::{message::Event, resident::Resident};
use crate::{failure::OperationError, process::signal_group};

/// A running fork and its process group. Dropping it kills the group; the interpreter reaps it.
#[derive(Debug)]
pub(crate) struct Forked {
    group: Pid,
    events: mpsc::Receiver<Event>,
    ended: bool,
    /// The parent, which must live as long.
    _parent: Arc<Resident>,
}

impl Forked {
    /// Waits until the fork has been made.
    ///
    /// # Errors
    /// When the guest has no process or memory left, or the interpreter is gone.
    pub(super) async fn new(
        parent: Arc<Resident>,
        mut events: mpsc::Receiver<Event>,
    ) -> Result<Self, OperationError> {
        match events.recv().await {
            Some(Event::Started(pid)) => Ok(Self {
                group: Pid::from_raw(pid),
                events,
                ended: false,
                _parent: parent,
            }),
            Some(Event::Failed(errno)) => Err(OperationError::system(
                "fork the interpreter",
                Errno::from_raw(errno),
            )),
            _ => Err(OperationError::refused(
                FailureKind::System,
                "the resident interpreter ended before it could fork",
            )),
        }
    }

    /// Waits for its end.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, Errno> {
        let event = self.events.recv().await;
        self.ended = true;
        match event {
            Some(Event::Exited(code)) if code < 0 => Ok(ExitStatus::Signaled(-code)),
            Some(Event::Exited(code)) => Ok(ExitStatus::Exited(code)),
            // Its parent is gone, and with it the only one who could know.
            _ => {
                let _ = signal_group(self.group, libc::SIGKILL);
                Err(Errno::ECHILD)
            }
        }
    }

    /// Sends a signal to its group.
    ///
    /// # Errors
    /// `ESRCH` when it has ended.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), Errno> {
        if self.ended {
            return Err(Errno::ESRCH);
        }
        signal_group(self.group, signal)
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if !self.ended {
            // A zombie keeps the number until the interpreter has reaped it and said so.
            let _ = signal_group(self.group, libc::SIGKILL);
        }
    }
}
