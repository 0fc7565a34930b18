//! An interpreter that has become somebody's program.

use nix::errno::Errno;
use thaw_guest_protocol::ExitStatus;
use tokio::{sync::mpsc, task::JoinSet};

use super::message::Event;
use crate::process::Child;

/// The running program and its process group. Dropping it kills the group, unless it has ended.
#[derive(Debug)]
pub(crate) struct Turned {
    child: Child,
    events: mpsc::Receiver<Event>,
    /// Reads the events.
    _listener: JoinSet<()>,
}

impl Turned {
    pub(super) fn new(child: Child, events: mpsc::Receiver<Event>, listener: JoinSet<()>) -> Self {
        Self {
            child,
            events,
            _listener: listener,
        }
    }

    /// Waits for its end, which may be its word that it has written everything and ends with this code now: under
    /// emulation it takes milliseconds to take an interpreter apart.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, Errno> {
        tokio::select! {
            biased;
            Some(Event::Exited(code)) = self.events.recv() => {
                self.child.let_end();
                Ok(ExitStatus::Exited(code))
            }
            status = self.child.wait() => status,
        }
    }

    /// Sends a signal to its group.
    ///
    /// # Errors
    /// `ESRCH` when it has ended.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), Errno> {
        self.child.signal(signal)
    }
}
