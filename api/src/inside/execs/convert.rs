//! Between the interface's types and the guest's.

use thaw_api_types::{BackgroundExec, StreamInfo};
use thaw_runner::node::vmm::protocol::{self, ExitStatus, Reply};

use crate::{error::ApiError, inside::data::nonsense};

pub(super) fn exec(exec: protocol::BackgroundExec) -> BackgroundExec {
    let status = exec.end.map(|end| end.status);
    BackgroundExec {
        id: exec.id.0,
        command: exec.command,
        running: exec.end.is_none(),
        exit_code: match status {
            Some(ExitStatus::Exited(code)) => Some(code),
            Some(ExitStatus::Signaled(_)) | None => None,
        },
        signal: match status {
            Some(ExitStatus::Signaled(signal)) => Some(signal),
            Some(ExitStatus::Exited(_)) | None => None,
        },
        timed_out: exec.end.is_some_and(|end| end.timed_out),
        started_at_ms: exec.started_at_ms,
        ended_at_ms: exec.end.map(|end| end.ended_at_ms),
        stdout: stream(exec.stdout),
        stderr: stream(exec.stderr),
    }
}

fn stream(stream: protocol::StreamInfo) -> StreamInfo {
    StreamInfo {
        written_bytes: stream.written_bytes,
        lost_bytes: stream.lost_bytes,
    }
}

/// A reply that must be one program.
pub(super) fn one(reply: Reply) -> Result<BackgroundExec, ApiError> {
    match reply {
        Reply::Exec(found) => Ok(exec(found)),
        _ => Err(nonsense()),
    }
}
