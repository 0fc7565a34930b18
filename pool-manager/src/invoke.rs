//! Carries one event to a function and its result back, and never trusts what the guest sends.

use std::sync::Arc;

use bytes::Bytes;
use thaw_vmm::{
    GuestError, InvocationOutput, RunInput, RunOutput,
    protocol::{GuestTimings, Invoke, Invoked, Outcome, Request},
};
use tokio::sync::mpsc;

use crate::{
    ExecTimings, InvokeEvent, InvokeHandle, InvokeRequest,
    lease::{Leased, Started},
    run::{Limit, Next, PIECES, Run, serve, within},
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
    let Started {
        input: to_guest,
        output: from_guest,
        begun,
    } = started;
    let limits = rest.limits;
    let invocation = Working {
        output: from_guest,
        stdout_left: limits.log_bytes,
        stderr_left: limits.log_bytes,
        result_left: limits.result_bytes,
    };
    let feed = feed(to_guest, rest, inputs);
    let limit = Some(Limit {
        timeout: limits.timeout,
        overdue: timed_out(),
    });
    (
        handle,
        serve(leased, begun, invocation, feed, limit, events),
    )
}

/// What an invocation tells, and how much more of it may come.
struct Working {
    output: RunOutput,
    stdout_left: u64,
    stderr_left: u64,
    result_left: u64,
}

impl Run for Working {
    type Event = InvokeEvent;
    type End = Invoked;

    async fn next(&mut self) -> Result<Next<InvokeEvent, Invoked>, GuestError> {
        Ok(match self.output.next_of_invocation().await? {
            InvocationOutput::Head(head) => Next::Event(InvokeEvent::Head(head)),
            InvocationOutput::Stdout(bytes) => {
                within(&mut self.stdout_left, bytes, InvokeEvent::Stdout)
            }
            InvocationOutput::Stderr(bytes) => {
                within(&mut self.stderr_left, bytes, InvokeEvent::Stderr)
            }
            InvocationOutput::Result(bytes) => {
                within(&mut self.result_left, bytes, InvokeEvent::Result)
            }
            InvocationOutput::End(invoked) => Next::End(invoked),
        })
    }

    fn last(invoked: Invoked, timings: ExecTimings) -> InvokeEvent {
        InvokeEvent::End { invoked, timings }
    }
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

fn timed_out() -> Invoked {
    Invoked {
        outcome: Outcome::TimedOut,
        out_of_memory: false,
        log_truncated: false,
        timings: GuestTimings::default(),
    }
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
