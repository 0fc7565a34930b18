//! One program, and the task that attends to it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use thaw_guest_protocol::{
    BackgroundExec, Exec, ExecEnd, ExecId, ExitStatus, OutputStream, Program as What,
};
use tokio::sync::{mpsc, watch};

use super::ring::Ring;
use crate::{
    exec::{Leftovers, Limits, Streams, Tap, scratch},
    process::Child,
};

/// What of each output stream is kept, in bytes.
const KEPT_BYTES: usize = 128 * 1024;

/// How much of its command line is shown.
const COMMAND_CHARS: usize = 256;

/// Signals that wait to be sent; who sends more waits.
const SIGNALS: usize = 8;

/// A program in the background, for those who look at it.
#[derive(Debug)]
pub(super) struct Program {
    id: ExecId,
    command: String,
    started_at_ms: u64,
    state: Mutex<State>,
    /// Counts what happens to it: output, and its end.
    changes: watch::Sender<u64>,
    signals: mpsc::Sender<i32>,
}

#[derive(Debug)]
struct State {
    stdout: Ring,
    stderr: Ring,
    end: Option<ExecEnd>,
}

impl Program {
    /// One that has been started; its signals come out at the other end.
    pub(super) fn new(id: ExecId, exec: &Exec) -> (Self, mpsc::Receiver<i32>) {
        let (signals, heard) = mpsc::channel(SIGNALS);
        let program = Self {
            id,
            command: command_line(&exec.program),
            started_at_ms: now_ms(),
            state: Mutex::new(State {
                stdout: Ring::new(KEPT_BYTES),
                stderr: Ring::new(KEPT_BYTES),
                end: None,
            }),
            changes: watch::Sender::new(0),
            signals,
        };
        (program, heard)
    }

    pub(super) fn info(&self) -> BackgroundExec {
        let state = self.state();
        BackgroundExec {
            id: self.id,
            command: self.command.clone(),
            started_at_ms: self.started_at_ms,
            end: state.end,
            stdout: state.stdout.info(),
            stderr: state.stderr.info(),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().end.is_some()
    }

    /// What was written from a place on, as [`Ring::read`].
    pub(super) fn read(&self, stream: OutputStream, from: u64, most: usize) -> (u64, Vec<u8>) {
        let state = self.state();
        match stream {
            OutputStream::Stdout => state.stdout.read(from, most),
            OutputStream::Stderr => state.stderr.read(from, most),
        }
    }

    /// Tells of everything that happens from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Sends a signal to its group; one that has ended gets none.
    pub(super) async fn signal(&self, signal: i32) {
        // Who would send it is gone: it has ended.
        let _ = self.signals.send(signal).await;
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) {
        let mut changes = self.changes();
        // The sender is ours, so it is there.
        let _ = changes.wait_for(|_| self.has_ended()).await;
    }

    fn wrote(&self, stream: OutputStream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state();
        match stream {
            OutputStream::Stdout => state.stdout.push(bytes),
            OutputStream::Stderr => state.stderr.push(bytes),
        }
        drop(state);
        self.changed();
    }

    fn end(&self, status: ExitStatus, timed_out: bool) {
        self.state().end = Some(ExecEnd {
            status,
            timed_out,
            ended_at_ms: now_ms(),
        });
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in its updates can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a program's is attended to. Dropping it kills the program.
#[derive(Debug)]
pub(super) struct Attended {
    pub(super) child: Child,
    pub(super) streams: Streams,
    pub(super) limits: Limits,
    pub(super) signals: mpsc::Receiver<i32>,
}

/// Attends to a program until it ends. Its output never waits for anybody.
pub(super) async fn attend(program: &Program, attended: Attended, leftovers: &Leftovers) {
    let Attended {
        mut child,
        streams,
        limits,
        mut signals,
    } = attended;
    let Streams {
        mut stdout, stderr, ..
    } = streams;
    let mut stderr = stderr;
    let mut scratch = scratch();
    let mut timed_out = false;
    let status = loop {
        tokio::select! {
            biased;
            () = limits.reached(), if !timed_out => {
                timed_out = true;
                // It may have ended in this moment; its status tells.
                let _ = child.signal(libc::SIGKILL);
            }
            Some(signal) = signals.recv() => {
                // A number that is no signal, or a program that has just ended: nobody can be told.
                let _ = child.signal(signal);
            }
            status = child.wait() => break status,
            () = stdout.readable() => {
                let read = stdout.read_now(&mut scratch);
                program.wrote(OutputStream::Stdout, &scratch[..read]);
            }
            () = readable(stderr.as_ref()) => {
                if let Some(stderr) = &mut stderr {
                    let read = stderr.read_now(&mut scratch);
                    program.wrote(OutputStream::Stderr, &scratch[..read]);
                }
            }
        }
    };
    let mut keep = |mut tap: Tap, stream| {
        tap.read_rest(&mut scratch, |bytes| program.wrote(stream, bytes));
        drop(leftovers.keep(tap));
    };
    keep(stdout, OutputStream::Stdout);
    if let Some(stderr) = stderr {
        keep(stderr, OutputStream::Stderr);
    }
    // A status that can't be learned is that of a program which nobody knows any more.
    program.end(
        status.unwrap_or(ExitStatus::Signaled(libc::SIGKILL)),
        timed_out,
    );
}

async fn readable(tap: Option<&Tap>) {
    match tap {
        Some(tap) => tap.readable().await,
        None => std::future::pending().await,
    }
}

fn command_line(what: &What) -> String {
    match what {
        What::Argv(argv) => argv.join(" "),
        What::Shell(line) => line.clone(),
    }
    .chars()
    .take(COMMAND_CHARS)
    .collect()
}

/// By the guest's clock; a clock before 1970 is at its beginning.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
