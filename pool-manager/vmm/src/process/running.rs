//! A process that is our child, or was another daemon's.

use std::{io, os::fd::OwnedFd, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use nix::sys::signal::Signal;
use tokio::{io::unix::AsyncFd, process::Child};

use crate::{EndKind, ProcessMark, sys};

/// A process that can be waited for and killed.
#[derive(Debug)]
pub(crate) enum Running {
    /// Its exit status is ours to learn.
    Child(Child),
    /// Somebody else learns its exit status; we see that it is gone.
    Adopted(AsyncFd<OwnedFd>),
}

impl Running {
    /// The process that was marked, if it is still there.
    ///
    /// # Errors
    /// When it can't be watched.
    pub(crate) fn find(mark: &ProcessMark) -> io::Result<Option<Self>> {
        let gone = |error: &io::Error| error.raw_os_error() == Some(libc::ESRCH);
        let process = match sys::pidfd_open(mark.pid as i32) {
            Err(error) if gone(&error) => return Ok(None),
            process => process?,
        };
        if !mark.is_there() {
            return Ok(None);
        }
        Ok(Some(Self::Adopted(sys::watch_process(process)?)))
    }

    /// Waits for the end; `killed` says whether we asked for it.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn wait(&mut self) -> Ended {
        match self {
            Self::Child(child) => Ended::Status(child.wait().await),
            Self::Adopted(process) => {
                // A descriptor of a process is readable when it has ended (pidfd_open(2)).
                let _ = process.readable().await;
                Ended::Unseen
            }
        }
    }

    pub(super) fn kill(&mut self) {
        let killed = match self {
            Self::Child(child) => child.start_kill(),
            Self::Adopted(process) => sys::pidfd_kill(process.get_ref(), Signal::SIGKILL),
        };
        // It fails only for a process that is already gone, which is what was wanted.
        let _ = killed;
    }
}

/// What is known of an end.
pub(super) enum Ended {
    Status(io::Result<ExitStatus>),
    Unseen,
}

impl Ended {
    pub(super) fn kind(self, killed: bool) -> EndKind {
        match self {
            Self::Status(Ok(status)) => match (status.code(), status.signal()) {
                (Some(code), _) => EndKind::Exited(code),
                (None, Some(9)) if killed => EndKind::Killed,
                (None, Some(signal)) => EndKind::Signaled(signal),
                (None, None) => EndKind::Killed,
            },
            // Somebody else reaped it; it is gone all the same.
            Self::Status(Err(_)) => EndKind::Killed,
            Self::Unseen if killed => EndKind::Killed,
            Self::Unseen => EndKind::Unseen,
        }
    }
}
