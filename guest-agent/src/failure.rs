//! Why an operation could not be done, before it is told to the host.

use std::io;

use nix::errno::Errno;
use thaw_guest_protocol::{Failure, FailureKind};
use thiserror::Error;

use crate::{
    process::{LaunchError, Step},
    wire::WireError,
};

/// An operation that ends without its result.
#[derive(Debug, Error)]
pub(crate) enum OperationError {
    /// The host is told why.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// Nobody is there to be told.
    #[error("the host is gone")]
    Gone(#[from] WireError),
}

impl OperationError {
    /// A refusal with its reason.
    pub(crate) fn refused(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Refused(Failure {
            kind,
            message: message.into(),
        })
    }

    /// What the guest's system refused while `attempt` was tried.
    pub(crate) fn system(attempt: &str, errno: Errno) -> Self {
        Self::refused(kind_of(errno), format!("{attempt}: {}", errno.desc()))
    }

    /// The same for an error of the standard library.
    pub(crate) fn io(attempt: &str, error: &io::Error) -> Self {
        let kind = error
            .raw_os_error()
            .map_or(FailureKind::System, |code| kind_of(Errno::from_raw(code)));
        Self::refused(kind, format!("{attempt}: {error}"))
    }

    /// A program that did not start; `program` and `cwd` are what the caller named.
    pub(crate) fn launch(error: &LaunchError, program: &str, cwd: &str) -> Self {
        let what = error.errno.desc();
        match (error.step, error.errno) {
            (_, Errno::ENOMEM | Errno::EAGAIN) => Self::refused(
                FailureKind::Exhausted,
                format!("no memory or process left to start {program:?}: {what}"),
            ),
            (Step::Cwd, _) => Self::refused(
                FailureKind::BadWorkingDirectory,
                format!("working directory {cwd:?}: {what}"),
            ),
            (Step::Exec, Errno::ENOENT | Errno::ENOTDIR) => Self::refused(
                FailureKind::ProgramNotFound,
                format!("program {program:?} not found"),
            ),
            (Step::Exec, _) => Self::refused(
                FailureKind::ProgramNotExecutable,
                format!("program {program:?} cannot be run: {what}"),
            ),
            (Step::Clone, errno) => Self::system("start a process", errno),
            (Step::Setup, errno) => Self::system("set up the process", errno),
            (Step::Ids, errno) => Self::system("change to the user", errno),
        }
    }
}

fn kind_of(errno: Errno) -> FailureKind {
    match errno {
        Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE | Errno::ENOSPC => {
            FailureKind::Exhausted
        }
        _ => FailureKind::System,
    }
}
