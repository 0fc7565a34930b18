//! The operations, between a stream and the table.

use thaw_guest_protocol::{BackgroundOperation, Exec, FailureKind, FrameKind, Reply};

use super::output::{Places, send};
use crate::{
    agent::Agent,
    exec::start_apart,
    failure::OperationError,
    wire::{WireReader, WireWriter},
};

/// Does one operation; its reply is sent as the last frame.
///
/// # Errors
/// See [`OperationError`].
pub(crate) async fn background(
    operation: BackgroundOperation,
    agent: &Agent,
    mut input: WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let all = agent.background();
    let reply = match operation {
        BackgroundOperation::Start { exec } => start(&exec, agent).await?,
        BackgroundOperation::List => Reply::Execs { execs: all.list() },
        BackgroundOperation::Inspect { id } => Reply::Exec(all.find(id)?.info()),
        BackgroundOperation::Output {
            id,
            stdout_from,
            stderr_from,
            follow,
        } => {
            let program = all.find(id)?;
            let places = Places {
                stdout: stdout_from,
                stderr: stderr_from,
            };
            return send(&program, places, follow, &mut input, output).await;
        }
        BackgroundOperation::Signal { id, signal } => {
            let program = all.find(id)?;
            program.signal(signal).await;
            Reply::Exec(program.info())
        }
        BackgroundOperation::Remove { id } => {
            let program = all.find(id)?;
            program.signal(libc::SIGKILL).await;
            program.ended().await;
            all.forget(id);
            Reply::Exec(program.info())
        }
    };
    Ok(output.finish(FrameKind::Reply, &reply).await?)
}

async fn start(exec: &Exec, agent: &Agent) -> Result<Reply, OperationError> {
    if exec.stdin || exec.pty.is_some() {
        let why = "a program in the background has neither standard input nor a terminal";
        return Err(OperationError::refused(FailureKind::BadRequest, why));
    }
    let _starting = agent.rest().starting().await;
    let started = agent
        .background()
        .start(exec, || start_apart(exec, agent.children()))?;
    Ok(Reply::Exec(started))
}
