//! Programs in a VM that runs, and a key's way through a terminal.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use thaw_api_types::client::{
    Client as Typed, OpenTerminal, SocketEvent, SocketInput, SocketOutput,
};

use super::{
    machine,
    run::{Bench, row},
};
use crate::{
    report::{Report, progress},
    stats::Samples,
};

/// For an echo to come at all.
const ECHO: Duration = Duration::from_secs(30);

/// Does away with the prompt, which could look like a key. The word that is waited for is not in the line as
/// it is typed.
const QUIET: &str = "PS1=; echo re''ady\n";

/// `true`, again and again.
pub(super) async fn execs(bench: Bench<'_>, report: &mut Report) -> Result<()> {
    let what = "exec true in a running VM";
    progress(what);
    let vm = bench.vm().await?;
    let mut samples = Samples::new()?;
    // The first finds cold paths.
    for sample in 0..=bench.samples {
        let answer = machine::exec(bench.client, &vm, &["true"], "").await?;
        if sample > 0 {
            samples.add(answer.wall);
        }
    }
    bench.client.delete_vm(&vm).await?;
    report.rows.push(row(what, &samples, &[]));
    Ok(())
}

/// Keys in a shell, each when the one before has been echoed.
pub(super) async fn terminal(bench: Bench<'_>, report: &mut Report) -> Result<()> {
    let what = "echo of a key in a terminal";
    progress(what);
    let vm = bench.vm().await?;
    let typed = Typed::new(bench.client.server(), None)?;
    let opened = typed.terminal(&vm, &OpenTerminal::default()).await;
    let (input, output) = opened.context("opening a terminal")?;
    let mut terminal = Terminal { input, output };
    terminal.press(QUIET, b"ready\r\n").await?;
    let mut samples = Samples::new()?;
    for key in ('a'..='z').cycle().take(bench.samples as usize) {
        let key = key.to_string();
        let begin = Instant::now();
        terminal.press(&key, key.as_bytes()).await?;
        samples.add(begin.elapsed());
    }
    // All of them have come to the shell, which knows no such command.
    terminal.press("\n", b"not found").await?;
    drop(terminal);
    bench.client.delete_vm(&vm).await?;
    report.rows.push(row(what, &samples, &[]));
    Ok(())
}

struct Terminal {
    input: SocketInput,
    output: SocketOutput,
}

impl Terminal {
    /// Sends keys, and returns when these bytes have come.
    async fn press(&mut self, keys: &str, expected: &[u8]) -> Result<()> {
        self.input.stdin(keys.to_owned().into()).await?;
        let come = tokio::time::timeout(ECHO, self.expect(expected)).await;
        come.with_context(|| format!("{keys:?} was not echoed within {ECHO:?}"))?
    }

    async fn expect(&mut self, expected: &[u8]) -> Result<()> {
        let mut seen = Vec::new();
        while !seen.windows(expected.len()).any(|come| come == expected) {
            match self.output.next().await? {
                SocketEvent::Stdout(bytes) | SocketEvent::Stderr(bytes) => {
                    seen.extend_from_slice(&bytes);
                }
                SocketEvent::Exit(exit) => bail!("the shell ended: {exit:?}"),
            }
        }
        Ok(())
    }
}
