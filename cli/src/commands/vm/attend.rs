//! Attends to a program in a VM from here: its output to ours, our input, signals and terminal size to it.

use std::io::Write;

use anyhow::Result;
use bytes::Bytes;
use thaw_api_types::{
    SocketControl,
    client::{SocketEvent, SocketInput, SocketOutput},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::{stdin, tty};
use crate::{commands::program::tell, exit::Exit};

/// What of ours a program gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ours {
    /// Standard input.
    pub(super) stdin: bool,
    /// The size of our terminal, whenever it changes.
    pub(super) size: bool,
    /// Signals are the program's, and not for this command.
    pub(super) signals: bool,
    /// Tell where the time went.
    pub(super) timings: bool,
}

/// Returns as the program ended. Leaving earlier ends the program.
///
/// # Errors
/// When the program was lost, or nobody takes our output.
pub(super) async fn attend(
    mut input: SocketInput,
    mut output: SocketOutput,
    ours: Ours,
) -> Result<Exit> {
    let mut heard = Signals::listen()?;
    let mut impatient = Signals::listen()?;
    tokio::select! {
        ended = follow(&mut output, ours.timings) => ended,
        // Where input is not taken, a signal that travels behind it would not be either.
        exit = impatient.end(ours.signals) => Ok(exit),
        failed = feed(&mut input, &mut heard, ours) => {
            failed?;
            // The connection is gone for what we send; what it still brings says why.
            follow(&mut output, ours.timings).await
        }
    }
}

async fn follow(output: &mut SocketOutput, timings: bool) -> Result<Exit> {
    loop {
        match output.next().await? {
            SocketEvent::Stdout(bytes) => write(&mut std::io::stdout().lock(), &bytes)?,
            SocketEvent::Stderr(bytes) => write(&mut std::io::stderr().lock(), &bytes)?,
            SocketEvent::Exit(exit) => {
                tell(&exit, timings);
                return Ok(Exit::of(&exit));
            }
        }
    }
}

fn write(to: &mut dyn Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Ends when the server takes no more.
async fn feed(input: &mut SocketInput, signals: &mut Signals, ours: Ours) -> Result<()> {
    let mut resized = signal(SignalKind::window_change())?;
    let mut pieces = ours.stdin.then(stdin::pieces);
    loop {
        let sent = tokio::select! {
            piece = next(&mut pieces) => match piece {
                Some(bytes) => input.stdin(bytes).await,
                None => {
                    pieces = None;
                    input.control(SocketControl::StdinEnd).await
                }
            },
            _ = resized.recv(), if ours.size => match tty::size() {
                Some(size) => input.control(SocketControl::Resize(size)).await,
                None => Ok(()),
            },
            signal = signals.next(), if ours.signals => {
                input.control(SocketControl::Signal { signal }).await
            }
        };
        if sent.is_err() {
            return Ok(());
        }
    }
}

async fn next(pieces: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match pieces {
        Some(pieces) => pieces.recv().await,
        None => std::future::pending().await,
    }
}

/// The signals that end a command.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    quit: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.hang_up.recv() => SignalKind::hangup().as_raw_value(),
            _ = self.quit.recv() => SignalKind::quit().as_raw_value(),
        }
    }

    /// How this command ends by a signal: at the first, or, where signals are the program's, at the third.
    async fn end(&mut self, forwarded: bool) -> Exit {
        let mut left = if forwarded { 2 } else { 0 };
        loop {
            let signal = self.next().await;
            if left == 0 {
                return Exit(u8::try_from(128 + signal).unwrap_or(255));
            }
            left -= 1;
        }
    }
}
