//! How the command ends, as shells understand it.

use std::process::ExitCode;

use thaw_api_types::{BackgroundExec, ErrorCode, ExecExit, client::ClientError};

/// An exit code of `thaw`: a program's own; 128+n for signal n; 124 when its time was up; 125 for Thaw itself;
/// 126 and 127 for a program that can't be run or is not there; 130 after Ctrl-C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    /// It worked.
    pub(crate) const SUCCESS: Self = Self(0);
    /// A check found something wrong.
    pub(crate) const FAILURE: Self = Self(1);
    /// Ctrl-C.
    pub(crate) const INTERRUPTED: Self = Self(130);
    const TIMED_OUT: Self = Self(124);
    const THAW: Self = Self(125);
    const NOT_EXECUTABLE: Self = Self(126);
    const NOT_FOUND: Self = Self(127);

    /// Tells a failure, with its causes and what mends it, and says how to exit.
    #[expect(clippy::print_stderr, reason = "errors of a command belong there")]
    pub(crate) fn failed(error: &anyhow::Error) -> Self {
        eprintln!("thaw: {error:#}");
        let client = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<ClientError>());
        if let Some(hint) = client.and_then(ClientError::hint) {
            eprintln!("  {hint}");
        }
        match client.and_then(ClientError::code) {
            Some(ErrorCode::ProgramNotFound) => Self::NOT_FOUND,
            Some(ErrorCode::ProgramNotExecutable) => Self::NOT_EXECUTABLE,
            _ => Self::THAW,
        }
    }

    /// As the program ended.
    pub(crate) fn of(exit: &ExecExit) -> Self {
        Self::of_status(exit.exit_code, exit.signal, exit.timed_out)
    }

    /// As a program in the background ended.
    pub(crate) fn of_background(exec: &BackgroundExec) -> Self {
        Self::of_status(exec.exit_code, exec.signal, exec.timed_out)
    }

    fn of_status(exit_code: Option<i32>, signal: Option<i32>, timed_out: bool) -> Self {
        if timed_out {
            return Self::TIMED_OUT;
        }
        match (exit_code, signal) {
            (Some(code), _) => Self(u8::try_from(code).unwrap_or(1)),
            (None, Some(signal)) => Self(u8::try_from(128 + signal).unwrap_or(255)),
            (None, None) => Self::THAW,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thaw_api_types::{GuestUs, StartKind, TimingsUs};

    fn ended(exit_code: Option<i32>, signal: Option<i32>, timed_out: bool) -> Exit {
        Exit::of(&ExecExit {
            exit_code,
            signal,
            timed_out,
            stdout_truncated: false,
            stderr_truncated: false,
            vm_id: "vm-1".to_owned(),
            start: StartKind::Parked,
            timings_us: TimingsUs::default(),
            guest_us: GuestUs::default(),
        })
    }

    #[test]
    fn a_command_ends_as_its_program_did() {
        assert_eq!(ended(Some(7), None, false), Exit(7));
        assert_eq!(ended(None, Some(9), false), Exit(137));
        assert_eq!(ended(None, Some(9), true), Exit(124));
    }
}
