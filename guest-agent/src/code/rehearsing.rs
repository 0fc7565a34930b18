//! A resident interpreter that runs code for a proof, and stays.

use std::sync::Arc;

use nix::errno::Errno;
use thaw_guest_protocol::ExitStatus;
use tokio::sync::mpsc;

use super::{message::Event, resident::Resident};

/// The run. It has no process of its own that could be signalled.
#[derive(Debug)]
pub(crate) struct Rehearsing {
    events: mpsc::Receiver<Event>,
    /// Who runs it, which must live as long.
    _resident: Arc<Resident>,
}

impl Rehearsing {
    pub(super) fn new(resident: Arc<Resident>, events: mpsc::Receiver<Event>) -> Self {
        Self {
            events,
            _resident: resident,
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// `ECHILD` when the interpreter ended.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, Errno> {
        match self.events.recv().await {
            Some(Event::Done(code)) => Ok(ExitStatus::Exited(code)),
            _ => Err(Errno::ECHILD),
        }
    }
}
