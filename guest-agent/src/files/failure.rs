//! What file systems refuse, in the protocol's words.

use std::{io, path::Path};

use thaw_guest_protocol::FailureKind;

use crate::failure::OperationError;

/// An attempt on a path that failed.
pub(super) fn failed(attempt: &str, path: &Path, error: &io::Error) -> OperationError {
    OperationError::refused(
        kind_of(error),
        format!("{attempt} {}: {}", path.display(), words(error)),
    )
}

/// A refusal of our own.
pub(super) fn refused(kind: FailureKind, path: &Path, why: &str) -> OperationError {
    OperationError::refused(kind, format!("{}: {why}", path.display()))
}

/// The host left, or the data that it sent ended, before they were whole.
pub(super) fn cut_off() -> OperationError {
    OperationError::refused(
        FailureKind::CutOff,
        "the data ended before they were whole; nothing was changed by what was missing",
    )
}

pub(super) fn kind_of(error: &io::Error) -> FailureKind {
    use io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => FailureKind::NotFound,
        Io::PermissionDenied => FailureKind::Permission,
        Io::AlreadyExists => FailureKind::Exists,
        Io::IsADirectory => FailureKind::IsADirectory,
        Io::NotADirectory => FailureKind::NotADirectory,
        Io::DirectoryNotEmpty => FailureKind::NotEmpty,
        Io::ReadOnlyFilesystem => FailureKind::ReadOnly,
        Io::StorageFull | Io::QuotaExceeded => FailureKind::NoSpace,
        Io::FileTooLarge => FailureKind::TooLarge,
        Io::InvalidFilename => FailureKind::NameTooLong,
        Io::OutOfMemory | Io::WouldBlock => FailureKind::Exhausted,
        Io::InvalidData => FailureKind::BadData,
        _ => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => FailureKind::Exhausted,
            _ => FailureKind::System,
        },
    }
}

/// The system's words without its number.
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}
