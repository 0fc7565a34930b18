//! The descriptors between the agent and a program: pipes, or a terminal.

use std::{
    fs::File,
    os::fd::{AsFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    pty::{grantpt, posix_openpt, unlockpt},
    unistd::{Uid, fchown, pipe2},
};
use thaw_guest_protocol::{FrameKind, PtySize};

use super::{Inlet, Tap, sys};
use crate::failure::OperationError;

/// The agent's ends of a program's streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: Inlet,
    pub(crate) stdout: Tap,
    /// A terminal has none.
    pub(crate) stderr: Option<Tap>,
}

impl Streams {
    /// Makes pipes; the program's ends of 0, 1 and 2 come with them.
    ///
    /// # Errors
    /// When the guest has no descriptors left.
    pub(crate) fn pipes(stdin: bool, limit: u64) -> Result<(Self, Vec<OwnedFd>), OperationError> {
        Self::pipes_as(stdin, FrameKind::Stdout, limit, limit)
    }

    /// The same, where standard output is sent as `kind` and the two have limits of their own.
    ///
    /// # Errors
    /// As [`pipes`](Self::pipes).
    pub(crate) fn pipes_as(
        stdin: bool,
        kind: FrameKind,
        stdout_limit: u64,
        stderr_limit: u64,
    ) -> Result<(Self, Vec<OwnedFd>), OperationError> {
        Self::try_pipes(stdin, kind, stdout_limit, stderr_limit)
            .map_err(|errno| OperationError::system("make pipes", errno))
    }

    fn try_pipes(
        stdin: bool,
        kind: FrameKind,
        stdout_limit: u64,
        stderr_limit: u64,
    ) -> Result<(Self, Vec<OwnedFd>), Errno> {
        let (program_in, inlet) = if stdin {
            let (program, agent) = pipe2(OFlag::O_CLOEXEC)?;
            nonblocking(&agent)?;
            (program, Inlet::pipe(agent)?)
        } else {
            (null()?, Inlet::closed())
        };
        let (stdout, program_out) = pipe2(OFlag::O_CLOEXEC)?;
        let (stderr, program_err) = pipe2(OFlag::O_CLOEXEC)?;
        nonblocking(&stdout)?;
        nonblocking(&stderr)?;
        let streams = Self {
            stdin: inlet,
            stdout: Tap::new(stdout, kind, stdout_limit)?,
            stderr: Some(Tap::new(stderr, FrameKind::Stderr, stderr_limit)?),
        };
        Ok((streams, vec![program_in, program_out, program_err]))
    }

    /// Makes a terminal that belongs to `owner`; the program's ends of 0, 1 and 2 come with it.
    ///
    /// # Errors
    /// When the guest has no terminals or descriptors left.
    pub(crate) fn terminal(
        size: PtySize,
        owner: u32,
        limit: u64,
    ) -> Result<(Self, Vec<OwnedFd>), OperationError> {
        Self::try_terminal(size, owner, limit)
            .map_err(|errno| OperationError::system("make a terminal", errno))
    }

    fn try_terminal(size: PtySize, owner: u32, limit: u64) -> Result<(Self, Vec<OwnedFd>), Errno> {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let peer = sys::open_peer(master.as_fd())?;
        if owner != 0 {
            fchown(&peer, Some(Uid::from_raw(owner)), None)?;
        }
        sys::set_size(master.as_fd(), size)?;
        nonblocking(&master)?;
        let output = clone(&master.as_fd())?;
        let streams = Self {
            stdin: Inlet::terminal(clone(&master.as_fd())?)?,
            stdout: Tap::new(output, FrameKind::Stdout, limit)?,
            stderr: None,
        };
        let fds = vec![clone(&peer.as_fd())?, clone(&peer.as_fd())?, peer];
        Ok((streams, fds))
    }
}

/// A standard input at its end.
///
/// # Errors
/// What open(2) says.
pub(crate) fn null() -> Result<OwnedFd, Errno> {
    File::open("/dev/null").map(OwnedFd::from).map_err(errno)
}

fn clone(fd: &std::os::fd::BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    fd.try_clone_to_owned().map_err(errno)
}

fn nonblocking(fd: impl std::os::fd::AsFd) -> Result<(), Errno> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}

pub(super) fn errno(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
