//! What is needed to start a program.

use std::{ffi::CString, os::fd::OwnedFd};

use nix::errno::Errno;
use thiserror::Error;

use super::{Children, child::Child, sys};

/// A program that is ready to start. Its descriptors are closed on this side once it runs.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Paths to try in order, as execvp(3) does with `PATH`.
    pub(crate) candidates: Vec<CString>,
    /// The arguments, the program's name first.
    pub(crate) argv: Vec<CString>,
    /// The whole environment.
    pub(crate) envp: Vec<CString>,
    /// The working directory.
    pub(crate) cwd: CString,
    /// Another user than root.
    pub(crate) ids: Option<sys::Ids>,
    /// Descriptors 0, 1, 2 and maybe 3 of the program.
    pub(crate) fds: Vec<OwnedFd>,
    /// Whether descriptor 0 becomes its controlling terminal.
    pub(crate) terminal: bool,
}

/// A program that could not be started.
#[derive(Debug, Error)]
#[error("could not start the program")]
pub(crate) struct LaunchError {
    /// What was being done.
    pub(crate) step: sys::Step,
    /// What the kernel said.
    #[source]
    pub(crate) errno: Errno,
}

impl Launch {
    /// Starts the program as the leader of a session and process group of its own.
    ///
    /// # Errors
    /// [`LaunchError`] with the step that failed; nothing is left running.
    pub(crate) fn start(self, children: &Children) -> Result<Child, LaunchError> {
        use std::os::fd::AsRawFd as _;
        let fds: Vec<_> = self.fds.iter().map(|fd| fd.as_raw_fd()).collect();
        let plan = sys::Plan {
            candidates: &self.candidates,
            argv: &self.argv,
            envp: &self.envp,
            cwd: &self.cwd,
            fds: &fds,
            terminal: self.terminal,
            ids: self.ids.as_ref(),
        };
        let (pid, pidfd) =
            sys::spawn(&plan).map_err(|(step, errno)| LaunchError { step, errno })?;
        children.adopt(pid, pidfd).map_err(|errno| LaunchError {
            step: sys::Step::Clone,
            errno,
        })
    }
}
