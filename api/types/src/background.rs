//! Programs in the background of a VM.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Encoding;

/// A program in the background of a VM. It belongs to the VM: it outlives whoever started it, and the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackgroundExec {
    /// Its number in its VM; never used again.
    pub id: u64,
    /// Its arguments in one line, cut to 256 characters.
    pub command: String,
    /// Whether it runs.
    pub running: bool,
    /// Its exit code, 0 to 255; null while it runs, and when a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// It was killed because `timeout_ms` was up.
    pub timed_out: bool,
    /// When it was started: milliseconds since 1970-01-01 UTC by the VM's clock.
    pub started_at_ms: u64,
    /// When it ended.
    pub ended_at_ms: Option<u64>,
    /// Its standard output.
    pub stdout: StreamInfo,
    /// Its standard error.
    pub stderr: StreamInfo,
}

/// What is known of an output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamInfo {
    /// How many bytes were written in all.
    pub written_bytes: u64,
    /// How many of them, the oldest, are no longer kept; the last 128 KiB are.
    pub lost_bytes: u64,
}

/// The programs in the background of a VM, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackgroundExecList {
    /// The programs: at most 64, those that have ended included.
    pub execs: Vec<BackgroundExec>,
}

/// Which part of a program's output is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OutputQuery {
    /// Standard output from this byte on, as far as it is kept; default 0.
    #[serde(default)]
    pub stdout_from: u64,
    /// Standard error from this byte on, as far as it is kept; default 0.
    #[serde(default)]
    pub stderr_from: u64,
    /// How output is written: `utf8` or `base64`.
    #[serde(default)]
    pub encoding: Encoding,
}

/// What a program in the background has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackgroundOutput {
    /// The program.
    pub exec: BackgroundExec,
    /// Standard output.
    pub stdout: String,
    /// Which byte of it that begins with.
    pub stdout_from: u64,
    /// With which byte the next call goes on.
    pub stdout_next: u64,
    /// Standard error.
    pub stderr: String,
    /// Which byte of it that begins with.
    pub stderr_from: u64,
    /// With which byte the next call goes on.
    pub stderr_next: u64,
    /// How the two are written.
    pub encoding: Encoding,
}

/// Output that is no longer kept: the data of the event `missed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissedOutput {
    /// How many bytes of standard output.
    pub stdout_bytes: u64,
    /// How many bytes of standard error.
    pub stderr_bytes: u64,
}

/// A signal to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalRequest {
    /// Its number (signal(7)): 1 to 64.
    #[schema(minimum = 1, maximum = 64, example = 15)]
    pub signal: i32,
}
