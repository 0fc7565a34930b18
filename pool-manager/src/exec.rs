//! Carries one running program's input and output, and never trusts what the guest sends.

use std::{sync::Arc, time::Duration};

use thaw_vmm::{
    GuestError, Output, RunInput, RunOutput,
    protocol::{Exit, ExitStatus, GuestTimings},
};
use tokio::sync::mpsc;

use crate::{
    ExecEvent, ExecHandle, ExecInput, ExecTimings,
    lease::{Leased, Started},
    run::{Limit, Next, PIECES, Run, serve, within},
};

/// What a program may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) output_limit_bytes: u64,
    pub(crate) timeout: Option<Duration>,
}

/// Makes the caller's ends, and the future that serves them until the program's end.
pub(crate) fn pump(
    leased: Arc<Leased>,
    started: Started,
    allowance: Allowance,
) -> (ExecHandle, impl Future<Output = ()> + Send) {
    let (input, inputs) = mpsc::channel(PIECES);
    let (events, output) = mpsc::channel(PIECES);
    let handle = ExecHandle { input, output };
    let Started {
        input: to_guest,
        output: from_guest,
        begun,
    } = started;
    let program = Running {
        output: from_guest,
        stdout_left: allowance.output_limit_bytes,
        stderr_left: allowance.output_limit_bytes,
    };
    let limit = allowance.timeout.map(|timeout| Limit {
        timeout,
        overdue: killed(),
    });
    let feed = feed(to_guest, inputs);
    (handle, serve(leased, begun, program, feed, limit, events))
}

/// A program's output, and how much more of it may come.
struct Running {
    output: RunOutput,
    stdout_left: u64,
    stderr_left: u64,
}

impl Run for Running {
    type Event = ExecEvent;
    type End = Exit;

    async fn next(&mut self) -> Result<Next<ExecEvent, Exit>, GuestError> {
        Ok(match self.output.next().await? {
            Output::Stdout(bytes) => within(&mut self.stdout_left, bytes, ExecEvent::Stdout),
            Output::Stderr(bytes) => within(&mut self.stderr_left, bytes, ExecEvent::Stderr),
            Output::Exit(exit) => Next::End(exit),
        })
    }

    fn last(exit: Exit, timings: ExecTimings) -> ExecEvent {
        ExecEvent::Exit { exit, timings }
    }
}

/// Forwards input for as long as the program runs; never returns, because the output says when it ended.
async fn feed(mut input: RunInput, mut inputs: mpsc::Receiver<ExecInput>) {
    while let Some(piece) = inputs.recv().await {
        let sent = match piece {
            ExecInput::Stdin(bytes) => input.stdin(&bytes).await,
            ExecInput::StdinEnd => input.end_stdin().await,
            ExecInput::Control(control) => input.control(control).await,
        };
        // A broken connection shows in the output too, with its reason.
        if sent.is_err() {
            break;
        }
    }
    std::future::pending().await
}

fn killed() -> Exit {
    Exit {
        status: ExitStatus::Signaled(9),
        timed_out: true,
        stdout_truncated: false,
        stderr_truncated: false,
        timings: GuestTimings::default(),
    }
}
