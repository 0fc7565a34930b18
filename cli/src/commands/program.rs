//! What `run` and `exec` share: a program's settings, and its output as it comes.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use thaw_api_types::{
    Encoding, ExecEvent, ExecExit, OutputChunk,
    client::{ClientError, ExecStream},
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{arguments::How, exit::Exit, output};

/// The time limit in milliseconds.
///
/// # Errors
/// One that is no time.
pub(super) fn timeout_ms(how: &How) -> Result<Option<u64>> {
    let Some(seconds) = how.timeout else {
        return Ok(None);
    };
    ensure!(
        seconds.is_finite() && seconds > 0.0,
        "--timeout takes a number of seconds above 0"
    );
    Ok(Some((seconds * 1000.0).ceil() as u64))
}

/// Standard input to its end, if it was asked for.
///
/// # Errors
/// When it can't be read.
pub(super) fn stdin_base64(how: &How) -> Result<Option<String>> {
    if !how.interactive {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .context("reading standard input")?;
    Ok(Some(STANDARD.encode(bytes)))
}

/// Copies output to ours byte for byte until the program ends; Ctrl-C hangs up, which ends program and VM.
///
/// # Errors
/// When the program was lost, or nobody takes our output.
pub(super) async fn follow(mut stream: ExecStream, timings: bool) -> Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        let event = tokio::select! {
            event = stream.next() => event?,
            _ = interrupt.recv() => return Ok(Exit::INTERRUPTED),
        };
        match event {
            ExecEvent::Stdout(chunk) => write(&mut std::io::stdout().lock(), &chunk)?,
            ExecEvent::Stderr(chunk) => write(&mut std::io::stderr().lock(), &chunk)?,
            ExecEvent::Error(error) => return Err(ClientError::from(error).into()),
            ExecEvent::Exit(exit) => {
                tell(&exit, timings);
                return Ok(Exit::of(&exit));
            }
        }
    }
}

pub(super) fn write(to: &mut dyn std::io::Write, chunk: &OutputChunk) -> Result<()> {
    let bytes = match chunk.encoding {
        Encoding::Base64 => STANDARD.decode(&chunk.data).context("reading output")?,
        Encoding::Utf8 => bail!("the server sent text where bytes were asked for"),
    };
    to.write_all(&bytes)?;
    to.flush()?;
    Ok(())
}

/// Tells what a caller should know besides the output.
pub(super) fn tell(exit: &ExecExit, timings: bool) {
    if exit.stdout_truncated || exit.stderr_truncated {
        output::note("thaw: the output was longer than the limit; the rest was thrown away");
    }
    if exit.timed_out {
        output::note("thaw: the program was killed because its time was up");
    }
    if !timings {
        return;
    }
    let (us, guest) = (exit.timings_us, exit.guest_us);
    let start = serde_json::to_string(&exit.start).unwrap_or_default();
    output::note(&format!("start: {}", start.trim_matches('"')));
    for (stage, us) in [
        ("daemon", us.daemon),
        ("queue", us.queue),
        ("restore", us.restore),
        ("resume", us.resume),
        ("connect", us.connect),
        ("exec", us.exec),
        ("· wake", guest.wake),
        ("· spawn", guest.spawn),
        ("· run", guest.run),
        ("total", us.total),
    ] {
        output::note(&format!("  {stage:8} {:8.2} ms", us as f64 / 1000.0));
    }
}
