//! `thaw vm exec`

use anyhow::{Result, ensure};
use thaw_api_types::{ExecSocketStart, TerminalSize, VmExecRequest};

use super::{
    attend::{Ours, attend},
    background,
    tty::{self, RawTerminal},
};
use crate::{
    arguments::VmExec,
    commands::{pairs::environment, program::timeout_ms},
    exit::Exit,
    output,
    server::connect,
};

pub(super) async fn run(wanted: VmExec) -> Result<Exit> {
    let client = connect(&wanted.connection)?;
    let how = &wanted.how;
    let mut exec = VmExecRequest {
        argv: Some(wanted.argv),
        env: environment(&how.env)?,
        cwd: how.workdir.clone(),
        user: how.user.clone(),
        timeout_ms: timeout_ms(how)?,
        output_limit_bytes: how.output_limit,
        ..VmExecRequest::default()
    };
    if wanted.background {
        return background::start(&client, &wanted.vm, &exec, wanted.connection.json).await;
    }
    if wanted.connection.json {
        ensure!(
            !how.interactive && !wanted.tty,
            "--json prints the output when all of it is there; it goes with neither -i nor -t"
        );
        let answer = client.vm_exec(&wanted.vm, &exec).await?;
        output::json(&answer)?;
        return Ok(Exit::of(&answer.exit));
    }
    if wanted.tty
        && let Ok(term) = std::env::var("TERM")
    {
        exec.env.entry("TERM".to_owned()).or_insert(term);
    }
    let size = TerminalSize { cols: 80, rows: 24 };
    let start = ExecSocketStart {
        exec,
        stdin: how.interactive,
        tty: wanted.tty.then(|| tty::size().unwrap_or(size)),
    };
    let (input, output) = client.exec_socket(&wanted.vm, &start).await?;
    let raw = (wanted.tty && how.interactive).then(RawTerminal::enter);
    let _raw = raw.transpose()?;
    let ours = Ours {
        stdin: how.interactive,
        size: wanted.tty,
        signals: !wanted.tty,
        timings: how.timings,
    };
    Box::pin(attend(input, output, ours)).await
}
