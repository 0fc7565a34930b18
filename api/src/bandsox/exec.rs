//! Programs and Python code, run to their end.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use thaw_runner::{
    RunningExec, VmError,
    node::{
        ExecEvent, ExecProgram, ExecRequest,
        vmm::protocol::{Exit, ExitStatus, Language},
    },
};

use super::{
    error::Detail,
    extract::{Id, Posted},
    failure,
    fields::Fields,
    names,
};
use crate::state::App;

/// What of each stream is kept; BandSox keeps all of it, and what is cut is said in `stdout_truncated`.
const OUTPUT_BYTES: u64 = 64 << 20;

/// The longest that a program may run, in seconds.
const MAX_TIMEOUT_S: i64 = 3600;

/// Runs a command line.
pub(crate) async fn exec(
    State(app): State<App>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<Json<Value>, Detail> {
    let command = fields.required_text("command");
    let timeout = timeout(&mut fields, 30);
    fields.finish()?;
    let output = run(&app, &id, ExecProgram::Shell(command), None, timeout).await?;
    if output.exit.timed_out {
        let text = "Command timed out";
        return Err(Detail::new(StatusCode::INTERNAL_SERVER_ERROR, text));
    }
    Ok(Json(json!({
        "exit_code": code(&output.exit),
        "stdout": lossy(&output.stdout),
        "stderr": lossy(&output.stderr),
        "stdout_truncated": output.exit.stdout_truncated,
        "stderr_truncated": output.exit.stderr_truncated,
    })))
}

/// Runs Python code in a fork of the interpreter that was running when the template was frozen.
pub(crate) async fn exec_python(
    State(app): State<App>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<Json<Value>, Detail> {
    let code_text = fields.required_text("code");
    let cwd = fields.text("cwd").unwrap_or_else(|| "/tmp".to_owned());
    let packages = fields.texts("packages").unwrap_or_default();
    let timeout = timeout(&mut fields, 60);
    // Nothing is left behind to be cleaned up.
    fields.flag("cleanup_venv");
    fields.finish()?;
    if !packages.is_empty() {
        return Err(Detail::new(
            StatusCode::NOT_IMPLEMENTED,
            "network_unavailable: VMs have no network yet, so packages can't be installed; \
             put them into the image (`thaw image add dockerfile:…`)",
        ));
    }
    let program = ExecProgram::Code {
        language: Language::Python,
        code: code_text,
        keep_interpreter: true,
    };
    let output = run(&app, &id, program, Some(cwd), timeout).await?;
    let success = matches!(output.exit.status, ExitStatus::Exited(0)) && !output.exit.timed_out;
    let mut stderr = lossy(&output.stderr);
    if output.exit.timed_out {
        stderr.push_str(&format!("timed out after {} s\n", timeout.as_secs()));
    }
    // Timeouts come as an answer here, with the exit code 1.
    let exit_code = if output.exit.timed_out {
        1
    } else {
        code(&output.exit)
    };
    Ok(Json(json!({
        "exit_code": exit_code,
        "stdout": lossy(&output.stdout),
        "output": lossy(&output.joined),
        "success": success,
        "error": if success { Value::Null } else { Value::String(stderr.clone()) },
        "stderr": stderr,
        "stdout_truncated": output.exit.stdout_truncated,
        "stderr_truncated": output.exit.stderr_truncated,
    })))
}

/// What a program wrote, and how it ended.
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Both in the order of their arrival.
    joined: Vec<u8>,
    exit: Exit,
}

async fn run(
    app: &App,
    id: &str,
    program: ExecProgram,
    cwd: Option<String>,
    timeout: Duration,
) -> Result<Output, Detail> {
    let mut running = start(app, id, program, cwd, timeout).await?;
    let (mut stdout, mut stderr, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let event = running.channels().1.recv().await;
        match event {
            Some(Ok(ExecEvent::Stdout(bytes))) => {
                stdout.extend_from_slice(&bytes);
                joined.extend_from_slice(&bytes);
            }
            Some(Ok(ExecEvent::Stderr(bytes))) => {
                stderr.extend_from_slice(&bytes);
                joined.extend_from_slice(&bytes);
            }
            Some(Ok(ExecEvent::Exit { exit, .. })) => {
                return Ok(Output {
                    stdout,
                    stderr,
                    joined,
                    exit,
                });
            }
            Some(Err(error)) => return Err(failure::used(app, VmError::Exec(error)).await),
            None => return Err(crate::failure::lost().into()),
        }
    }
}

/// Starts a program in a VM.
pub(super) async fn start(
    app: &App,
    id: &str,
    program: ExecProgram,
    cwd: Option<String>,
    timeout: Duration,
) -> Result<RunningExec, Detail> {
    names::usable_vm(app, id)?;
    let request = ExecRequest {
        program,
        env: Vec::new(),
        cwd: Some(cwd.unwrap_or_else(|| "/".to_owned())),
        // BandSox's agent runs everything as root.
        user: Some("0:0".to_owned()),
        stdin: false,
        timeout: Some(timeout),
        output_limit_bytes: OUTPUT_BYTES,
        pty: None,
    };
    match app.runner.vm_exec(id, request).await {
        Ok(running) => Ok(running),
        Err(error) => Err(failure::used(app, error).await),
    }
}

fn timeout(fields: &mut Fields, default_s: i64) -> Duration {
    let seconds = fields.int("timeout").unwrap_or(default_s);
    Duration::from_secs(seconds.clamp(1, MAX_TIMEOUT_S).unsigned_abs())
}

/// The exit code; -1 for a program that a signal ended.
pub(super) fn code(exit: &Exit) -> i32 {
    match exit.status {
        ExitStatus::Exited(code) => code,
        ExitStatus::Signaled(_) => -1,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
