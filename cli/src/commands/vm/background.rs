//! Programs in the background: `thaw vm exec --background`, `execs`, `output`, `kill`.

use anyhow::Result;
use serde_json::{Value, json};
use thaw_api_types::{
    BackgroundExec, BackgroundOutput, Encoding, OutputChunk, OutputQuery, VmExecRequest,
    client::{BackgroundEvent, Client},
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{OneExec, OneVm, VmKill, VmOutput},
    commands::program::write,
    exit::Exit,
    output::{self, age, line, note, table},
    server::connect,
};

/// Output byte for byte, from its beginning on.
const ALL: OutputQuery = OutputQuery {
    stdout_from: 0,
    stderr_from: 0,
    encoding: Encoding::Base64,
};

/// Starts one and prints its number.
pub(super) async fn start(
    client: &Client,
    vm: &str,
    request: &VmExecRequest,
    as_json: bool,
) -> Result<Exit> {
    let exec = client.start_exec(vm, request).await?;
    if as_json {
        output::json(&exec)?;
    } else {
        line(&exec.id.to_string())?;
    }
    Ok(Exit::SUCCESS)
}

pub(super) async fn list(OneVm { vm, connection }: OneVm) -> Result<Exit> {
    let list = connect(&connection)?.execs(&vm).await?;
    if connection.json {
        output::json(&list)?;
    } else {
        let rows: Vec<_> = list.execs.iter().map(row).collect();
        table(&["EXEC", "STATE", "STARTED", "COMMAND"], &rows)?;
    }
    Ok(Exit::SUCCESS)
}

fn row(exec: &BackgroundExec) -> Vec<String> {
    vec![
        exec.id.to_string(),
        state(exec),
        age(exec.started_at_ms / 1000),
        exec.command.replace('\n', " "),
    ]
}

fn state(exec: &BackgroundExec) -> String {
    match (exec.exit_code, exec.signal) {
        _ if exec.timed_out => "timed out".to_owned(),
        (Some(code), _) => format!("exited {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "running".to_owned(),
    }
}

pub(super) async fn output(wanted: VmOutput) -> Result<Exit> {
    let client = connect(&wanted.connection)?;
    let OneExec { vm, exec } = wanted.of;
    if wanted.follow {
        return follow(&client, &vm, exec, wanted.connection.json).await;
    }
    if wanted.connection.json {
        let query = OutputQuery {
            encoding: Encoding::Utf8,
            ..ALL
        };
        output::json(&client.exec_output(&vm, exec, &query).await?)?;
        return Ok(Exit::SUCCESS);
    }
    let BackgroundOutput {
        stdout,
        stderr,
        encoding,
        ..
    } = client.exec_output(&vm, exec, &ALL).await?;
    let chunk = |data| OutputChunk { data, encoding };
    write(&mut std::io::stdout().lock(), &chunk(stdout))?;
    write(&mut std::io::stderr().lock(), &chunk(stderr))?;
    Ok(Exit::SUCCESS)
}

/// Ctrl-C ends this command and leaves the program as it is. As JSON each event is a line.
async fn follow(client: &Client, vm: &str, exec: u64, as_json: bool) -> Result<Exit> {
    let mut stream = client.follow_exec(vm, exec, &ALL).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        let event = tokio::select! {
            event = stream.next() => event?,
            _ = interrupt.recv() => return Ok(Exit::INTERRUPTED),
        };
        if as_json {
            line(&told(&event).to_string())?;
        }
        match event {
            BackgroundEvent::Exec(exec) => return Ok(Exit::of_background(&exec)),
            _ if as_json => {}
            BackgroundEvent::Stdout(chunk) => write(&mut std::io::stdout().lock(), &chunk)?,
            BackgroundEvent::Stderr(chunk) => write(&mut std::io::stderr().lock(), &chunk)?,
            BackgroundEvent::Missed(missed) => {
                let bytes = missed.stdout_bytes + missed.stderr_bytes;
                note(&format!("thaw: {bytes} bytes of output are no longer kept"));
            }
        }
    }
}

fn told(event: &BackgroundEvent) -> Value {
    match event {
        BackgroundEvent::Stdout(chunk) => json!({ "stdout": chunk }),
        BackgroundEvent::Stderr(chunk) => json!({ "stderr": chunk }),
        BackgroundEvent::Missed(missed) => json!({ "missed": missed }),
        BackgroundEvent::Exec(exec) => json!({ "exec": exec }),
    }
}

pub(super) async fn kill(wanted: VmKill) -> Result<Exit> {
    let client = connect(&wanted.connection)?;
    let OneExec { vm, exec } = wanted.of;
    let exec = if wanted.forget {
        client.remove_exec(&vm, exec).await?
    } else {
        client.signal_exec(&vm, exec, wanted.signal).await?
    };
    if wanted.connection.json {
        output::json(&exec)?;
    }
    Ok(Exit::SUCCESS)
}
