//! Getting ready to be frozen, and proving that a thawed clone works.

use thaw_guest_protocol::{Exec, ExitStatus, FailureKind, Program};

use crate::{
    agent::{Agent, Powers},
    boot::write_back,
    exec::{Streams, resolve},
    failure::OperationError,
};

/// How often the paths are taken before the freeze. The first time reads programs from the disk, the
/// second finds everything in place.
const ROUNDS: usize = 2;

/// Starts interpreters, takes every path, and writes back what is dirty.
///
/// # Errors
/// An interpreter or a program of the image that does not work.
pub(crate) async fn prepare(
    env: Vec<(String, String)>,
    agent: &Agent,
) -> Result<(), OperationError> {
    agent.interpreters().prepare(env).await?;
    for _ in 0..ROUNDS {
        prove(agent).await?;
    }
    if agent.powers() == Powers::Guest {
        write_back();
    }
    Ok(())
}

/// Takes the paths of an event, where a function is loaded, else those of an exec and of a code run.
///
/// # Errors
/// What does not work.
pub(crate) async fn prove(agent: &Agent) -> Result<(), OperationError> {
    if agent.functions().prove().await? {
        return Ok(());
    }
    prove_exec(agent).await?;
    agent.interpreters().prove().await
}

/// Runs a shell that does nothing. An image without a shell has nothing to warm.
async fn prove_exec(agent: &Agent) -> Result<(), OperationError> {
    let exec = Exec {
        program: Program::Shell(":".into()),
        env: Vec::new(),
        cwd: None,
        user: None,
        stdin: false,
        timeout_ms: None,
        output_limit_bytes: 0,
        pty: None,
    };
    let mut launch = resolve(&exec)?;
    let (streams, fds) = Streams::pipes(false, 0)?;
    launch.fds = fds;
    let mut child = match launch.start(agent.children()) {
        Ok(child) => child,
        Err(error) => {
            return match OperationError::launch(&error, "/bin/sh", "/") {
                OperationError::Refused(failure)
                    if failure.kind == FailureKind::ProgramNotFound =>
                {
                    Ok(())
                }
                error => Err(error),
            };
        }
    };
    let status = child
        .wait()
        .await
        .map_err(|errno| OperationError::system("wait for the proof", errno))?;
    drop(streams);
    match status {
        ExitStatus::Exited(0) => Ok(()),
        status => Err(OperationError::refused(
            FailureKind::System,
            format!("the proof by /bin/sh ended with {status:?}"),
        )),
    }
}
