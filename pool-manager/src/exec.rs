//! Carries one running program's input and output, and never trusts what the guest sends.
//!
//! ```text
//! Leased::start ─► pump ─┬─ Exit ──────────────────► the caller; the VM is fit for the next
//!                        ├─ Failed ────────────────► refused; the VM is fit for the next
//!                        ├─ the caller left ───────► the stream is dropped, the agent ends the program
//!                        ├─ time is up, and more ──► the VM is ended; timed out
//!                        └─ nonsense, too much, cut, gone ─► the VM is ended
//! ```

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use thaw_vmm::{
    GuestError, Output, RunInput,
    protocol::{Exit, ExitStatus, FailureKind, GuestTimings},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};

use crate::{
    ExecError, ExecEvent, ExecHandle, ExecInput, ExecTimings,
    error::chain,
    lease::{Leased, Started},
};

/// Pieces that wait in each direction.
pub(crate) const PIECES: usize = 16;

/// How long after a program's time limit the agent may take to say so; then the VM is ended.
const BACKSTOP: Duration = Duration::from_secs(2);

/// How long a VMM that broke off may take to be seen to have ended.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

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
    (handle, serve(leased, started, allowance, inputs, events))
}

async fn serve(
    leased: Arc<Leased>,
    started: Started,
    allowance: Allowance,
    inputs: mpsc::Receiver<ExecInput>,
    events: mpsc::Sender<Result<ExecEvent, ExecError>>,
) {
    let Started {
        input,
        output,
        timings,
        begin,
        permit,
    } = started;
    let mut drain = Drain {
        output,
        events: events.clone(),
        stdout_left: allowance.output_limit_bytes,
        stderr_left: allowance.output_limit_bytes,
    };
    let last = tokio::select! {
        biased;
        () = events.closed() => None,
        last = drain.run() => last,
        () = feed(input, inputs) => None,
        () = leased.gone() => Some(Last::Broken(ExecError::Lost("it was released".to_owned()))),
        () = pass(allowance.timeout, leased.runs()) => Some(Last::Stuck),
    };
    // The program's stream ends here, and with it whatever still runs in its process group.
    drop((drain, permit));
    let timings = ExecTimings {
        exec: begin.elapsed(),
        ..timings
    };
    let event = match last {
        None => return,
        Some(Last::Exit(exit)) => Ok(ExecEvent::Exit { exit, timings }),
        Some(Last::Refused(error)) => Err(error),
        Some(Last::Broken(error)) => {
            let error = leased.explain(error).await;
            leased.end_now();
            Err(error)
        }
        Some(Last::Unfit(error)) => {
            leased.end_now();
            Err(error)
        }
        Some(Last::Stuck) => {
            // Dropping the stream told the agent to end the program. A VM that stays is not ended for
            // being slow to do so.
            if !leased.stays() {
                leased.end_now();
            }
            Ok(ExecEvent::Exit {
                exit: killed(),
                timings,
            })
        }
    };
    // A caller that has left is not told.
    let _ = events.send(event).await;
}

/// How the output of a program ended.
enum Last {
    Exit(Exit),
    /// It never ran; the VM is well.
    Refused(ExecError),
    /// The connection is gone: most likely the VM ended.
    Broken(ExecError),
    /// The VM runs, but must not be used any more.
    Unfit(ExecError),
    /// It did not end in time, nor did the agent end it.
    Stuck,
}

impl Last {
    fn of(error: GuestError) -> Self {
        let broken = matches!(error, GuestError::Disconnected(_) | GuestError::Cut);
        match guest_error(error) {
            // What has not put its identity right must not run anything.
            error @ ExecError::Refused {
                kind: FailureKind::Wake,
                ..
            } => Self::Unfit(error),
            error @ ExecError::Refused { .. } => Self::Refused(error),
            error if broken => Self::Broken(error),
            error => Self::Unfit(error),
        }
    }
}

struct Drain {
    output: thaw_vmm::RunOutput,
    events: mpsc::Sender<Result<ExecEvent, ExecError>>,
    stdout_left: u64,
    stderr_left: u64,
}

impl Drain {
    /// Until the last frame; none when the caller left.
    async fn run(&mut self) -> Option<Last> {
        loop {
            let event = match self.output.next().await {
                Ok(Output::Exit(exit)) => return Some(Last::Exit(exit)),
                Ok(Output::Stdout(bytes)) => {
                    within(&mut self.stdout_left, bytes).map(ExecEvent::Stdout)
                }
                Ok(Output::Stderr(bytes)) => {
                    within(&mut self.stderr_left, bytes).map(ExecEvent::Stderr)
                }
                Err(error) => return Some(Last::of(error)),
            };
            let Some(event) = event else {
                let error =
                    ExecError::Lost("it sent more output than it was allowed to".to_owned());
                return Some(Last::Unfit(error));
            };
            self.events.send(Ok(event)).await.ok()?;
        }
    }
}

/// Takes the bytes off what is left; none when there are more.
fn within(left: &mut u64, bytes: Bytes) -> Option<Bytes> {
    *left = left.checked_sub(bytes.len() as u64)?;
    Some(bytes)
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

/// Ends when the time is up, and a little more: the agent has the first word. The time in which the VM stands
/// still does not count.
pub(crate) async fn pass(limit: Option<Duration>, mut runs: watch::Receiver<bool>) {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    let mut left = limit
        .saturating_add(BACKSTOP)
        .min(Duration::from_secs(1 << 30));
    // The VM tells for as long as it is there; a program of one that is gone has ended.
    while runs.wait_for(|runs| *runs).await.is_ok() {
        let begin = Instant::now();
        if timeout(left, runs.wait_for(|runs| !*runs)).await.is_err() {
            return;
        }
        left = left.saturating_sub(begin.elapsed());
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

/// Whether the guest is still sound decides which error it is.
pub(crate) fn guest_error(error: GuestError) -> ExecError {
    match error {
        GuestError::Failed(failure) => ExecError::Refused {
            kind: failure.kind,
            message: failure.message,
        },
        GuestError::TooManyStreams => ExecError::TooMany,
        error @ (GuestError::Disconnected(_)
        | GuestError::Malformed(_)
        | GuestError::Unexpected(_)
        | GuestError::Cut) => ExecError::Lost(chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_a_vm_stands_still_does_not_count() {
        let runs = watch::Sender::new(true);
        let limit = Duration::from_secs(10);
        let begin = Instant::now();
        let passing = pass(Some(limit), runs.subscribe());
        let pausing = async {
            let wait = |secs| timeout(Duration::from_secs(secs), std::future::pending::<()>());
            let _ = wait(4).await;
            runs.send_replace(false);
            let _ = wait(1000).await;
            runs.send_replace(true);
        };
        tokio::join!(passing, pausing);
        assert_eq!(
            begin.elapsed(),
            limit + BACKSTOP + Duration::from_secs(1000)
        );
    }
}
