//! What can go wrong with one VMM.

use std::{io, sync::Arc, time::Duration};

use thaw_lazymem::{HandshakeError, ShimSetupError};
use thiserror::Error;

use crate::{GuestError, VmmEnd};

/// A VMM that did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A descriptor, socket or file for it could not be made.
    #[error("could not prepare the VMM's {what}")]
    Prepare {
        /// What was being made.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its guest memory could not be shared.
    #[error("could not prepare the VMM's guest memory")]
    Memory(#[from] ShimSetupError),
    /// It did not hand over the userfaultfd of its guest memory.
    #[error("the VMM did not hand over its guest memory")]
    Handover(#[source] HandshakeError),
    /// The VMM's program could not be run.
    #[error("could not run {program}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("the VMM ended while it started: {0}")]
    Ended(Arc<VmmEnd>),
    /// The VMM refused what it was asked for.
    #[error("could not set up the VMM")]
    Control(#[from] ControlError),
    /// The agent did not answer as it should.
    #[error("the guest's agent did not come up")]
    Guest(#[source] GuestError),
    /// It took too long.
    #[error("the VMM was not ready within {0:?}; the console's end: {1}")]
    TimedOut(Duration, String),
    /// Every uid of the range is taken.
    #[error("all {0} uids for VMMs are in use; the range limits how many can run at once")]
    NoFreeUid(u32),
}

/// A device state that did not load.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The state could not be handed over.
    #[error("could not hand the device state to the VMM")]
    Write(#[source] io::Error),
    /// The VMM refused the state; it is damaged or of another VMM version.
    #[error("the VMM did not accept the device state: {0}")]
    Refused(String),
    /// The VMM ended.
    #[error("the VMM ended while it restored: {0}")]
    Ended(Arc<VmmEnd>),
    /// The VMM does not answer as it should.
    #[error("could not restore")]
    Control(#[from] ControlError),
    /// It took too long.
    #[error("the restore took longer than {0:?}")]
    TimedOut(Duration),
    /// What the snapshot's memory differs by could not be written into the VMM.
    #[error("could not write the snapshot's memory into the VMM")]
    Memory(#[from] thaw_lazymem::DirtyError),
}

/// A VMM that an earlier daemon left running, and that can't be adopted.
#[derive(Debug, Error)]
pub enum AdoptError {
    /// It is there no more.
    #[error("its VMM is there no more")]
    Gone,
    /// Another VMM has its uid, or this daemon gives no such uids.
    #[error("its uid {0} is not free, or outside the range of uids for VMMs")]
    Uid(u32),
    /// Its sockets, its error pipe or its process can't be reached.
    #[error("could not reach its {what}")]
    Reach {
        /// What was being reached.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It does not answer as it should.
    #[error("its VMM does not answer as it should")]
    Control(#[from] ControlError),
}

/// What a running machine is could not be taken.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The VMM did not give its device state.
    #[error("could not take the VMM's device state")]
    Control(#[from] ControlError),
    /// Its memory can't be read.
    #[error("could not read the guest's memory")]
    Memory(#[from] thaw_lazymem::DirtyError),
    /// The machine's memory is its own, not that of a clone, and could not be read.
    #[error("could not read the memory of a machine that was booted")]
    OwnMemory(#[source] io::Error),
}

/// A request to a running VMM that failed.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The control socket broke; the VMM has ended or is about to be killed.
    #[error("the VMM's control socket broke")]
    Io(#[source] io::Error),
    /// The VMM closed its control socket.
    #[error("the VMM closed its control socket")]
    Closed,
    /// It sent something that is not its protocol.
    #[error("the VMM sent an unexpected message: {0}")]
    Protocol(String),
    /// It refused a command.
    #[error("the VMM refused {command}: {message}")]
    Refused {
        /// The command.
        command: &'static str,
        /// The VMM's own words.
        message: String,
    },
    /// It did not answer in time.
    #[error("the VMM did not answer {command} within {timeout:?}")]
    TimedOut {
        /// The command.
        command: &'static str,
        /// The bound.
        timeout: Duration,
    },
    /// The machine is not in a state for this.
    #[error("{0}")]
    State(&'static str),
}
