//! The exec operation.

use thaw_guest_protocol::{Exec, GuestTimings, Program};
use tokio::time::Instant;

use super::{Custody, Limits, Running, Streams, Subject, resolve};
use crate::{
    failure::OperationError,
    process::{Child, Children},
    wire::{WireReader, WireWriter},
};

/// Runs a program to its end; the exit is sent as the last frame.
///
/// # Errors
/// See [`OperationError`].
pub(crate) async fn exec(
    exec: Exec,
    wake_us: u64,
    children: &Children,
    custody: Custody,
    input: WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let began = Instant::now();
    let running = start(&exec, wake_us, began, children)?;
    // The request with its whole environment is not needed while the program runs.
    drop(exec);
    running.conduct(custody, input, output).await
}

fn start(
    exec: &Exec,
    wake_us: u64,
    began: Instant,
    children: &Children,
) -> Result<Running, OperationError> {
    let Started {
        child,
        streams,
        limits,
    } = start_apart(exec, children)?;
    let spawn_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(Running {
        subject: Subject::Child(child),
        streams,
        limits,
        timings: GuestTimings {
            wake_us,
            spawn_us,
            run_us: 0,
        },
    })
}

/// A program that has been started and that nobody attends to yet. Dropping it kills its group.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) streams: Streams,
    /// Its time counts already.
    pub(crate) limits: Limits,
}

/// Starts a program for whoever attends to it.
///
/// # Errors
/// Nothing runs then.
pub(crate) fn start_apart(exec: &Exec, children: &Children) -> Result<Started, OperationError> {
    let mut launch = resolve(exec)?;
    let limit = exec.output_limit_bytes;
    let (streams, fds) = match exec.pty {
        Some(size) => {
            let owner = launch.ids.as_ref().map_or(0, |ids| ids.uid);
            Streams::terminal(size, owner, limit)?
        }
        None => Streams::pipes(exec.stdin, limit)?,
    };
    launch.fds = fds;
    let child = launch
        .start(children)
        .map_err(|error| OperationError::launch(&error, name(exec), cwd(exec)))?;
    Ok(Started {
        child,
        streams,
        limits: Limits::new(exec.timeout_ms),
    })
}

fn name(exec: &Exec) -> &str {
    match &exec.program {
        Program::Argv(argv) => argv.first().map_or("", String::as_str),
        Program::Shell(_) => "/bin/sh",
    }
}

fn cwd(exec: &Exec) -> &str {
    exec.cwd.as_deref().unwrap_or("/")
}
