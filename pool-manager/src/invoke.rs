//! Carries one event to a function and its result back, and never trusts what the guest sends.
//!
//! ```text
//! Leased::start ─► pump ─┬─ End ───────────────────► the caller; the outcome says whether the clone is fit
//!                        ├─ Failed ────────────────► refused; the function never saw the event
//!                        ├─ the caller left ───────► the stream is dropped, the agent ends the function
//!                        ├─ time is up, and more ──► the VM is ended; timed out
//!                        └─ nonsense, too much, cut, gone ─► the VM is ended
//! ```

use std::sync::Arc;

use bytes::Bytes;
use thaw_vmm::{
    GuestError, InvocationOutput, RunInput, RunOutput,
    protocol::{FailureKind, GuestTimings, Invoke, Invoked, Outcome, Request},
};
use tokio::sync::mpsc;

use crate::{
    ExecError, ExecTimings, InvokeEvent, InvokeHandle, InvokeRequest,
    exec::{PIECES, guest_error, pass},
    lease::{Leased, Started},
};

/// A text event up to this size travels in the first frame, with the wake.
const INLINE_BYTES: usize = 48 * 1024;

/// The agent's request, and what of the event is sent after it.
pub(crate) fn agent_request(request: InvokeRequest) -> (Request, Rest) {
    let text = if request.more || request.event.len() > INLINE_BYTES {
        None
    } else {
        std::str::from_utf8(&request.event).ok().map(str::to_owned)
    };
    let rest = Rest {
        event: text.is_none().then_some(request.event),
        more: request.more,
        limits: Limits {
            log_bytes: request.log_limit_bytes,
            result_bytes: request.result_limit_bytes,
            timeout: request.timeout,
        },
    };
    let invoke = Invoke {
        request_id: request.request_id,
        version: request.version,
        content_type: request.content_type,
        client_context: request.client_context,
        event: text,
        timeout_ms: u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
        log_limit_bytes: request.log_limit_bytes,
        result_limit_bytes: request.result_limit_bytes,
        reuse: request.reuse,
        pieces: request.pieces,
        rehearsal: false,
    };
    (Request::Invoke(invoke), rest)
}

/// What is still to be sent, and what may come.
#[derive(Debug)]
pub(crate) struct Rest {
    event: Option<Bytes>,
    more: bool,
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    log_bytes: u64,
    result_bytes: u64,
    timeout: std::time::Duration,
}

/// Makes the caller's ends, and the future that serves them until the end.
pub(crate) fn pump(
    leased: Arc<Leased>,
    started: Started,
    rest: Rest,
) -> (InvokeHandle, impl Future<Output = ()> + Send) {
    let (input, inputs) = mpsc::channel(PIECES);
    let (events, output) = mpsc::channel(PIECES);
    let handle = InvokeHandle { input, output };
    (handle, serve(leased, started, rest, inputs, events))
}

async fn serve(
    leased: Arc<Leased>,
    started: Started,
    rest: Rest,
    inputs: mpsc::Receiver<Bytes>,
    events: mpsc::Sender<Result<InvokeEvent, ExecError>>,
) {
    let Started {
        input,
        output,
        timings,
        begin,
        permit,
    } = started;
    let limits = rest.limits;
    let mut drain = Drain {
        output,
        events: events.clone(),
        stdout_left: limits.log_bytes,
        stderr_left: limits.log_bytes,
        result_left: limits.result_bytes,
    };
    let last = tokio::select! {
        biased;
        () = events.closed() => None,
        last = drain.run() => last,
        () = feed(input, rest, inputs) => None,
        () = leased.gone() => Some(Last::Broken(ExecError::Lost("it was released".to_owned()))),
        () = pass(Some(limits.timeout), leased.runs()) => Some(Last::Stuck),
    };
    // The stream ends here, and with it a function that still works.
    drop((drain, permit));
    let timings = ExecTimings {
        exec: begin.elapsed(),
        ..timings
    };
    let event = match last {
        None => return,
        Some(Last::End(invoked)) => Ok(InvokeEvent::End { invoked, timings }),
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
            leased.end_now();
            let invoked = Invoked {
                outcome: Outcome::TimedOut,
                out_of_memory: false,
                log_truncated: false,
                timings: GuestTimings::default(),
            };
            Ok(InvokeEvent::End { invoked, timings })
        }
    };
    // A caller that has left is not told.
    let _ = events.send(event).await;
}

/// How an invocation's output ended.
enum Last {
    End(Invoked),
    /// The function never saw the event; the VM is well.
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
    output: RunOutput,
    events: mpsc::Sender<Result<InvokeEvent, ExecError>>,
    stdout_left: u64,
    stderr_left: u64,
    result_left: u64,
}

impl Drain {
    /// Until the last frame; none when the caller left.
    async fn run(&mut self) -> Option<Last> {
        loop {
            let event = match self.output.next_of_invocation().await {
                Ok(InvocationOutput::End(invoked)) => return Some(Last::End(invoked)),
                Ok(InvocationOutput::Head(head)) => Some(InvokeEvent::Head(head)),
                Ok(InvocationOutput::Stdout(bytes)) => {
                    within(&mut self.stdout_left, bytes).map(InvokeEvent::Stdout)
                }
                Ok(InvocationOutput::Stderr(bytes)) => {
                    within(&mut self.stderr_left, bytes).map(InvokeEvent::Stderr)
                }
                Ok(InvocationOutput::Result(bytes)) => {
                    within(&mut self.result_left, bytes).map(InvokeEvent::Result)
                }
                Err(error) => return Some(Last::of(error)),
            };
            let Some(event) = event else {
                let error = ExecError::Lost("it sent more than it was allowed to".to_owned());
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

/// Sends what does not travel in the first frame; never returns, because the output says when it ended.
async fn feed(mut input: RunInput, rest: Rest, mut inputs: mpsc::Receiver<Bytes>) {
    // A broken connection shows in the output too, with its reason.
    if let Some(event) = rest.event {
        let mut sent = input.stdin(&event).await;
        while let (Ok(()), true) = (&sent, rest.more) {
            let Some(piece) = inputs.recv().await else {
                break;
            };
            sent = input.stdin(&piece).await;
        }
        if sent.is_ok() {
            let _ = input.end_stdin().await;
        }
    }
    // Kept until the end: dropping it would close the stream.
    let _input = input;
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(event: &[u8]) -> InvokeRequest {
        InvokeRequest {
            request_id: "r".into(),
            version: "1".into(),
            content_type: None,
            client_context: None,
            event: Bytes::copy_from_slice(event),
            more: false,
            pieces: false,
            reuse: false,
            timeout: Duration::from_secs(1),
            log_limit_bytes: 1,
            result_limit_bytes: 1,
        }
    }

    #[test]
    fn a_short_text_travels_with_the_wake_and_everything_else_after_it() {
        let inline = |request| match agent_request(request) {
            (Request::Invoke(invoke), rest) => {
                assert_eq!(invoke.event.is_some(), rest.event.is_none());
                invoke.event.is_some()
            }
            other => panic!("{other:?}"),
        };
        assert!(inline(request(b"{}")));
        assert!(inline(request(b"")));
        assert!(!inline(request(&[0xff])));
        assert!(!inline(request(&vec![b'x'; INLINE_BYTES + 1])));
        let more = InvokeRequest {
            more: true,
            ..request(b"GET / HTTP/1.1")
        };
        assert!(!inline(more));
    }
}
