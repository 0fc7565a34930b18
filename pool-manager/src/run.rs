//! The stream of a program, an invocation or an operation, from its start to its end, and what its end says of the VM.
//!
//! ```text
//! Leased::start ─► serve ─┬─ the last frame ──────────► the caller; the VM is fit for the next
//!                         ├─ Failed ─────────────────► refused; the VM is fit for the next
//!                         ├─ the caller left ────────► the stream is dropped, the agent ends what runs
//!                         ├─ time is up, and more ───► the VM is ended, unless it stays; timed out
//!                         └─ nonsense, too much, cut, gone ─► the VM is ended
//! ```

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use thaw_vmm::{GuestError, protocol::FailureKind};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::{Instant, timeout},
};

use crate::{ExecError, ExecTimings, error::chain, lease::Leased};

/// Pieces that wait in each direction.
pub(crate) const PIECES: usize = 16;

/// How long after a program's time limit the agent may take to say so; then the VM is ended.
const BACKSTOP: Duration = Duration::from_secs(2);

/// How long a VMM that broke off may take to be seen to have ended.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a run tells.
pub(crate) enum Next<Event, End> {
    /// Something on the way, which is passed on.
    Event(Event),
    /// More than it was allowed to: nothing that the guest says is to be believed any more.
    TooMuch,
    /// The last frame.
    End(End),
}

/// What kind of run it is.
pub(crate) trait Run: Send {
    type Event: Send;
    type End: Send;

    /// Waits for what the guest tells next.
    fn next(
        &mut self,
    ) -> impl Future<Output = Result<Next<Self::Event, Self::End>, GuestError>> + Send;

    /// What the caller is told last.
    fn last(end: Self::End, timings: ExecTimings) -> Self::Event;
}

/// What was measured until a run began, and what it holds.
pub(crate) struct Begun {
    timings: ExecTimings,
    begin: std::time::Instant,
    /// Counts it among those that run.
    permit: OwnedSemaphorePermit,
}

impl Begun {
    pub(crate) fn now(timings: ExecTimings, permit: OwnedSemaphorePermit) -> Self {
        Self {
            timings,
            begin: std::time::Instant::now(),
            permit,
        }
    }
}

/// How long a run may take, and its end where it did not end by then, nor was ended by the agent.
pub(crate) struct Limit<End> {
    pub(crate) timeout: Duration,
    pub(crate) overdue: End,
}

/// Serves a run until its end. `feed` sends what goes into it and never returns.
pub(crate) async fn serve<R: Run>(
    leased: Arc<Leased>,
    begun: Begun,
    mut run: R,
    feed: impl Future<Output = ()> + Send,
    limit: Option<Limit<R::End>>,
    events: mpsc::Sender<Result<R::Event, ExecError>>,
) {
    let (timeout, overdue) = limit.map(|limit| (limit.timeout, limit.overdue)).unzip();
    let last = tokio::select! {
        biased;
        () = events.closed() => None,
        last = drain(&mut run, &events) => last,
        () = feed => None,
        () = leased.gone() => Some(Last::Broken(ExecError::Lost("it was released".to_owned()))),
        () = pass(timeout, leased.runs()) => overdue.map(Last::Stuck),
    };
    // The stream ends here, and with it whatever of the run still works in the guest.
    drop((run, begun.permit));
    let timings = ExecTimings {
        exec: begun.begin.elapsed(),
        ..begun.timings
    };
    let event = match last {
        None => return,
        Some(Last::End(end)) => Ok(R::last(end, timings)),
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
        Some(Last::Stuck(end)) => {
            // Dropping the stream told the agent to end the run. A VM that stays is not ended for being slow to
            // do so.
            if !leased.stays() {
                leased.end_now();
            }
            Ok(R::last(end, timings))
        }
    };
    // A caller that has left is not told.
    let _ = events.send(event).await;
}

/// How a run's output ended.
enum Last<End> {
    End(End),
    /// It never ran; the VM is well.
    Refused(ExecError),
    /// The connection is gone: most likely the VM ended.
    Broken(ExecError),
    /// The VM runs, but must not be used any more.
    Unfit(ExecError),
    /// It did not end in time, nor did the agent end it.
    Stuck(End),
}

impl<End> Last<End> {
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

/// Passes on what the run tells until its last frame; none when the caller left.
async fn drain<R: Run>(
    run: &mut R,
    events: &mpsc::Sender<Result<R::Event, ExecError>>,
) -> Option<Last<R::End>> {
    loop {
        match run.next().await {
            Ok(Next::Event(event)) => events.send(Ok(event)).await.ok()?,
            Ok(Next::End(end)) => return Some(Last::End(end)),
            Ok(Next::TooMuch) => {
                let error = ExecError::Lost("it sent more than it was allowed to".to_owned());
                return Some(Last::Unfit(error));
            }
            Err(error) => return Some(Last::of(error)),
        }
    }
}

/// Takes the bytes off what is left of an allowance.
pub(crate) fn within<Event, End>(
    left: &mut u64,
    bytes: Bytes,
    event: impl FnOnce(Bytes) -> Event,
) -> Next<Event, End> {
    match left.checked_sub(bytes.len() as u64) {
        Some(rest) => {
            *left = rest;
            Next::Event(event(bytes))
        }
        None => Next::TooMuch,
    }
}

/// Ends when the time is up, and a little more: the agent has the first word. The time in which the VM stands
/// still does not count.
async fn pass(limit: Option<Duration>, mut runs: watch::Receiver<bool>) {
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
