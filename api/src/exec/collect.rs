//! The whole output at once, for a JSON answer.

use std::time::Instant;

use thaw_api_types::{Encoding, ExecResponse};
use thaw_runner::node::ExecEvent;

use super::{finish::finish, run::Run, text::text};
use crate::{error::ApiError, failure};

/// Collects what a program writes. The node sends at most the request's limit of each stream.
pub(super) async fn collect(
    mut run: Run,
    encoding: Encoding,
    arrived: Instant,
) -> Result<ExecResponse, ApiError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match run.next().await {
            Some(Ok(ExecEvent::Stdout(bytes))) => stdout.extend_from_slice(&bytes),
            Some(Ok(ExecEvent::Stderr(bytes))) => stderr.extend_from_slice(&bytes),
            Some(Ok(ExecEvent::Exit { exit, timings })) => {
                return Ok(ExecResponse {
                    stdout: text(&stdout, encoding),
                    stderr: text(&stderr, encoding),
                    encoding,
                    exit: finish(run.running(), &exit, timings, arrived),
                });
            }
            Some(Err(error)) => return Err(failure::exec(&error)),
            None => return Err(failure::lost()),
        }
    }
}
