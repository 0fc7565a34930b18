//! How a function's process is started.

use std::os::fd::OwnedFd;

use thaw_guest_protocol::{Exec, FrameKind, LoadFunction, Program};

use super::attend::Process;
use crate::{
    exec::{Streams, resolve},
    failure::OperationError,
    process::Children,
};

/// Starts a program in the code folder with the function's environment and no standard input.
///
/// `extra` becomes its descriptor 3.
///
/// # Errors
/// Those of starting a program.
pub(super) fn start(
    load: &LoadFunction,
    argv: &[String],
    env: &[(String, String)],
    extra: Option<OwnedFd>,
    children: &Children,
) -> Result<Process, OperationError> {
    let mut launch = resolve(&program(load, argv, env))?;
    let limit = load.output_limit_bytes;
    let (streams, mut fds) = Streams::pipes_as(false, FrameKind::Stdout, limit, limit)?;
    fds.extend(extra);
    launch.fds = fds;
    let name = argv.first().map_or("", String::as_str);
    let child = launch
        .start(children)
        .map_err(|error| OperationError::launch(&error, name, working_directory(load)))?;
    Ok(Process { child, streams })
}

/// The program as an exec.
pub(super) fn program(load: &LoadFunction, argv: &[String], env: &[(String, String)]) -> Exec {
    let known = [
        ("LAMBDA_TASK_ROOT", load.folder.clone()),
        ("AWS_LAMBDA_FUNCTION_NAME", load.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            load.memory_mib.to_string(),
        ),
    ];
    let known = known.map(|(key, value)| (key.to_owned(), value));
    Exec {
        program: Program::Argv(argv.to_vec()),
        env: known
            .into_iter()
            .chain(load.env.iter().cloned())
            // What it can't do without comes last, and so wins.
            .chain(env.iter().cloned())
            .collect(),
        cwd: Some(working_directory(load).to_owned()),
        user: load.user.clone(),
        stdin: false,
        timeout_ms: None,
        output_limit_bytes: 0,
        pty: None,
    }
}

fn working_directory(load: &LoadFunction) -> &str {
    load.cwd.as_deref().unwrap_or(&load.folder)
}
