//! Functions that are a program for each event: the event on standard input, the result on standard output.

use std::{ffi::CStr, os::unix::ffi::OsStrExt as _, path::Path};

use bytes::Bytes;
use nix::unistd::{AccessFlags, access};
use thaw_guest_protocol::{
    ExitStatus, FailureKind, FrameKind, GuestTimings, Invoke, LoadFunction, Outcome,
};

use super::{
    attend::HostSide,
    invoke::{Served, send_head},
    starting::program,
};
use crate::{
    agent::Agent,
    exec::{Limits, Running, Streams, Subject, resolve},
    failure::OperationError,
};

/// Looks for the program, so that one that is not there fails the load and not every event.
///
/// # Errors
/// [`FailureKind::ProgramNotFound`], [`FailureKind::ProgramNotExecutable`].
pub(super) fn check(load: &LoadFunction, argv: &[String]) -> Result<(), OperationError> {
    let launch = resolve(&program(load, argv, &[]))?;
    let name = argv.first().map_or("", String::as_str);
    let at = |candidate: &CStr| {
        let path = std::ffi::OsStr::from_bytes(candidate.to_bytes());
        Path::new(&load.folder).join(path)
    };
    let paths: Vec<_> = launch.candidates.iter().map(|c| at(c)).collect();
    if paths
        .iter()
        .any(|path| access(path, AccessFlags::X_OK).is_ok())
    {
        return Ok(());
    }
    if paths.iter().any(|path| path.exists()) {
        return Err(OperationError::refused(
            FailureKind::ProgramNotExecutable,
            format!("program {name:?} of the function cannot be run: it is not executable"),
        ));
    }
    Err(OperationError::refused(
        FailureKind::ProgramNotFound,
        format!("program {name:?} of the function is neither in its code nor in the image"),
    ))
}

/// Runs the program once.
///
/// # Errors
/// When it does not start, or the host went away.
pub(super) async fn run(
    load: &LoadFunction,
    argv: &[String],
    invoke: &Invoke,
    event: Bytes,
    agent: &Agent,
    host: &mut HostSide<'_>,
) -> Result<Served, OperationError> {
    let mut launch = resolve(&program(load, argv, &request_env(invoke)))?;
    let (result, log) = (invoke.result_limit_bytes, invoke.log_limit_bytes);
    let (mut streams, fds) = Streams::pipes_as(true, FrameKind::Result, result, log)?;
    streams.stdin.accept(event);
    streams.stdin.end();
    launch.fds = fds;
    let name = argv.first().map_or("", String::as_str);
    let child = launch
        .start(agent.children())
        .map_err(|error| OperationError::launch(&error, name, &load.folder))?;
    // What comes out is what went in, as far as anybody can tell.
    let content_type = invoke.content_type.clone();
    send_head(content_type, host.output)?;
    let running = Running {
        subject: Subject::Child(child),
        streams,
        limits: Limits::new(Some(invoke.timeout_ms)),
        timings: GuestTimings::default(),
    };
    let exit = running
        .until_end(&mut host.input, host.output, agent.leftovers())
        .await?;
    let outcome = match exit.status {
        _ if exit.timed_out => Outcome::TimedOut,
        _ if exit.stdout_truncated => Outcome::ResultTooLarge,
        ExitStatus::Exited(0) => Outcome::Returned,
        status => Outcome::Ended(status),
    };
    Ok(Served::new(outcome, exit.stderr_truncated))
}

fn request_env(invoke: &Invoke) -> Vec<(String, String)> {
    let mut env = vec![
        ("THAW_REQUEST_ID".to_owned(), invoke.request_id.clone()),
        ("THAW_FUNCTION_VERSION".to_owned(), invoke.version.clone()),
    ];
    if let Some(kind) = &invoke.content_type {
        env.push(("THAW_CONTENT_TYPE".to_owned(), kind.clone()));
    }
    env
}
