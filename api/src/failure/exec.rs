//! Programs that did not run, or were lost.

use thaw_api_types::ErrorCode;
use thaw_runner::node::{ExecError, vmm::protocol::FailureKind};

use crate::error::ApiError;

pub(crate) fn exec(error: &ExecError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        ExecError::UnknownLease(_) => of(ErrorCode::VmNotFound),
        ExecError::Refused { kind, .. } => refused(*kind, of(code_of(*kind))),
        ExecError::BadRequest(_) => {
            of(ErrorCode::NothingToRun).hint("give argv, command, or language with code")
        }
        ExecError::VmEnded { guest_panic, .. } => of(if *guest_panic {
            ErrorCode::GuestPanicked
        } else {
            ErrorCode::VmEnded
        }),
        ExecError::Lost(_) => of(ErrorCode::VmLost),
        ExecError::Paused(_) => of(ErrorCode::VmPaused).hint("resume the VM first"),
        ExecError::TooMany => of(ErrorCode::VmBusy).hint("wait for a program to end"),
    }
}

/// The node stopped talking without a word.
pub(crate) fn lost() -> ApiError {
    ApiError::new(
        ErrorCode::VmLost,
        "the node lost the program without a word",
    )
}

fn code_of(kind: FailureKind) -> ErrorCode {
    match kind {
        FailureKind::ProgramNotFound => ErrorCode::ProgramNotFound,
        FailureKind::ProgramNotExecutable => ErrorCode::ProgramNotExecutable,
        FailureKind::BadWorkingDirectory => ErrorCode::BadWorkingDirectory,
        FailureKind::UnknownUser => ErrorCode::UnknownUser,
        FailureKind::NoInterpreter => ErrorCode::NoInterpreter,
        FailureKind::BadRequest => ErrorCode::InvalidRequest,
        FailureKind::Exhausted => ErrorCode::GuestExhausted,
        FailureKind::NotFound => ErrorCode::FileNotFound,
        FailureKind::Exists => ErrorCode::FileExists,
        FailureKind::IsADirectory => ErrorCode::IsADirectory,
        FailureKind::NotADirectory => ErrorCode::NotADirectory,
        FailureKind::NotAFile => ErrorCode::NotAFile,
        FailureKind::NotEmpty => ErrorCode::DirectoryNotEmpty,
        FailureKind::Permission | FailureKind::ReadOnly => ErrorCode::FileNotPermitted,
        FailureKind::NoSpace => ErrorCode::GuestDiskFull,
        FailureKind::TooLarge => ErrorCode::FileTooLarge,
        FailureKind::OutOfRange => ErrorCode::RangeNotSatisfiable,
        FailureKind::NameTooLong => ErrorCode::PathTooLong,
        FailureKind::BadData => ErrorCode::BadContent,
        FailureKind::CutOff => ErrorCode::BodyCutOff,
        FailureKind::NoSuchExec => ErrorCode::ExecNotFound,
        FailureKind::ConnectionRefused => ErrorCode::PortRefused,
        FailureKind::FunctionEnded => ErrorCode::FunctionNoAnswer,
        FailureKind::Wake | FailureKind::System | FailureKind::Unknown => ErrorCode::GuestFailed,
    }
}

fn refused(kind: FailureKind, answer: ApiError) -> ApiError {
    match kind {
        FailureKind::ProgramNotFound => {
            answer.hint("the image has no such program in PATH; command runs a line in /bin/sh")
        }
        FailureKind::NoInterpreter => {
            answer.hint("use an image with this language, such as python, or argv")
        }
        FailureKind::IsADirectory => answer.hint("folders go as tar archives: /files/archive"),
        FailureKind::NotEmpty => answer.hint("recursive=true removes what is in it"),
        FailureKind::Exists => answer.hint("choose another path, or remove what is there first"),
        FailureKind::NotFound => {
            answer.hint("parents=true makes the folders on the way to what is written")
        }
        FailureKind::NoSpace => answer.hint("remove files in the VM"),
        FailureKind::BadData => answer.hint("send a tar archive that is not compressed"),
        FailureKind::NoSuchExec => answer.hint("`thaw vm execs` lists what is there"),
        FailureKind::ConnectionRefused => {
            answer.hint("start a server in the VM that listens on 127.0.0.1 or on all addresses")
        }
        FailureKind::Exhausted => answer.hint("give the VM more with memory_mib"),
        _ => answer,
    }
}
