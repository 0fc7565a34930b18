//! An event that a function serves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use serde_json::json;
use thaw_pool_manager::{
    ExecError, ExecTimings, InvokeEvent, InvokeHandle, StartKind,
    vmm::protocol::{ExitStatus, Invoked, Outcome, ResultHead},
};
use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    Answer, InvocationLog, InvokeError, Version, VersionSpec,
    clones::FunctionClone,
    described,
    desk::Seat,
    gathered::Gathered,
    invoke,
    observe::{Ending, Observation},
    registry::Function,
};
use crate::clock::now_ms;

/// An event that a function serves. Dropped before its end, the function is ended in the middle of it.
#[derive(Debug)]
pub struct RunningInvocation {
    // Fields are dropped in this order: the function ends before its clone is given back.
    handle: InvokeHandle,
    /// What came out of it and has not been looked at.
    first: Option<Result<InvokeEvent, ExecError>>,
    place: Place,
    start: Start,
    vm_id: String,
    log: BytesMut,
    head: ResultHead,
    /// None unless the result is the description of an error.
    described: Option<Gathered>,
    done: Option<(Invoked, ExecTimings)>,
    /// None once its end was told.
    seen: Option<Observation>,
    given: Instant,
}

/// What is logged of an event whose caller did not wait for its end.
const HUNG_UP: &str = "the caller hung up before the end";

/// What an event holds while it is served.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) function: Arc<Function>,
    pub(super) version: Arc<Version>,
    /// None once it was given back.
    pub(super) clone: Option<FunctionClone>,
    pub(super) _seat: Seat,
    pub(super) _serving: TaskTrackerToken,
}

/// How it began.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) request_id: String,
    pub(super) kind: StartKind,
    pub(super) queue: Duration,
    pub(super) restore: Duration,
}

/// An event that was given to a clone.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) handle: InvokeHandle,
    /// What came out of it already.
    pub(super) first: Option<Result<InvokeEvent, ExecError>>,
    pub(super) place: Place,
    pub(super) start: Start,
}

/// A piece of what comes out of an invocation, its log left out.
#[derive(Debug)]
pub(crate) enum Piece {
    Head(ResultHead),
    Result(Bytes),
}

impl RunningInvocation {
    pub(super) fn new(begun: Begun, mut seen: Observation) -> Self {
        let Begun {
            handle,
            first,
            place,
            start,
        } = begun;
        seen.started(start.kind);
        let vm_id = place.clone.as_ref().map(|clone| clone.lease.id.to_string());
        Self {
            handle,
            first,
            vm_id: vm_id.unwrap_or_default(),
            place,
            start,
            log: BytesMut::new(),
            head: ResultHead::default(),
            described: None,
            done: None,
            seen: Some(seen),
            given: Instant::now(),
        }
    }

    /// The version that serves it.
    pub fn version(&self) -> u64 {
        self.place.version.number
    }

    /// How its clone came to be.
    pub fn start_kind(&self) -> StartKind {
        self.start.kind
    }

    /// Where more of the event goes.
    pub fn input(&self) -> mpsc::Sender<Bytes> {
        self.handle.input.clone()
    }

    /// The next piece of the result; none at its end. The log is kept meanwhile.
    ///
    /// # Errors
    /// When the clone was lost, or does not take the event.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, InvokeError> {
        loop {
            match self.piece().await? {
                Some(Piece::Result(bytes)) => return Ok(Some(bytes)),
                Some(Piece::Head(head)) => self.head = head,
                None => return Ok(None),
            }
        }
    }

    /// The result's media type, once its first piece is there.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// Whether what comes is the description of an error; known once the first piece is there.
    pub fn is_error(&self) -> bool {
        self.head.is_error
    }

    /// The VM that it runs in.
    pub fn vm_id(&self) -> &str {
        &self.vm_id
    }

    /// The description of what went wrong, where the function's own result is none; once
    /// [`next`](Self::next) has told of the end.
    pub fn failure(&self) -> Option<Bytes> {
        let (invoked, _) = self.done.as_ref()?;
        self.description(invoked)
    }

    /// What it has written to standard output and error so far.
    pub fn log(&self) -> &[u8] {
        &self.log
    }

    /// How it ended, once [`next`](Self::next) has told of the end.
    pub fn outcome(&self) -> Option<Outcome> {
        self.done.as_ref().map(|(invoked, _)| invoked.outcome)
    }

    /// Waits for the whole answer.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Answer, InvokeError> {
        let (mut result, mut content_type) = (BytesMut::new(), None);
        while let Some(piece) = self.piece().await? {
            match piece {
                Piece::Head(head) => content_type = head.content_type,
                // The node has seen to it that there is no more than was allowed.
                Piece::Result(bytes) => result.extend_from_slice(&bytes),
            }
        }
        let Some((invoked, timings)) = self.done.take() else {
            return Err(lost().into());
        };
        let mut result = result.freeze();
        if let Some(description) = self.description(&invoked) {
            (result, content_type) = (description, Some("application/json".to_owned()));
        }
        Ok(Answer {
            request_id: std::mem::take(&mut self.start.request_id),
            version: self.place.version.number,
            outcome: invoked.outcome,
            content_type,
            result,
            log: std::mem::take(&mut self.log).freeze(),
            log_truncated: invoked.log_truncated,
            start: self.start.kind,
            vm_id: std::mem::take(&mut self.vm_id),
            queue: self.start.queue,
            restore: self.start.restore,
            timings,
        })
    }

    /// Waits for the first word of a clone that is used again, and says whether its function had ended before.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn is_untaken(&mut self) -> bool {
        if self.start.kind != StartKind::Reused {
            return false;
        }
        if self.first.is_none() {
            self.first = self.handle.output.recv().await;
        }
        matches!(&self.first, Some(Err(error)) if invoke::is_untaken(error))
    }

    /// Gives up what no function was given; nothing is told of it.
    pub(super) fn forget(mut self) {
        if let Some(seen) = self.seen.take() {
            seen.forget();
        }
    }

    async fn piece(&mut self) -> Result<Option<Piece>, InvokeError> {
        if self.done.is_some() {
            return Ok(None);
        }
        loop {
            let event = match self.first.take() {
                Some(first) => Some(first),
                None => self.handle.output.recv().await,
            };
            match event {
                Some(Ok(InvokeEvent::Stdout(bytes) | InvokeEvent::Stderr(bytes))) => {
                    // The node has seen to it that there is no more than was allowed.
                    self.log.extend_from_slice(&bytes);
                }
                Some(Ok(InvokeEvent::Head(head))) => {
                    self.described = head.is_error.then(|| Gathered::new(described::MOST_BYTES));
                    return Ok(Some(Piece::Head(head)));
                }
                Some(Ok(InvokeEvent::Result(bytes))) => {
                    if let Some(described) = &mut self.described {
                        described.take(&bytes);
                    }
                    return Ok(Some(Piece::Result(bytes)));
                }
                Some(Ok(InvokeEvent::End { invoked, timings })) => {
                    self.end(invoked, timings);
                    return Ok(None);
                }
                Some(Err(error)) => return Err(self.failed(error)),
                None => return Err(self.failed(lost())),
            }
        }
    }

    fn end(&mut self, invoked: Invoked, timings: ExecTimings) {
        if let Some(clone) = self.place.clone.take()
            && invoked.is_fit()
        {
            self.place.version.clones.give_back(clone);
        }
        self.tell(Ending::of(&invoked));
        let described = self.described.as_ref().and_then(Gathered::whole);
        let described = described.and_then(described::line);
        let error = match (invoked.outcome, described) {
            (Outcome::Raised, Some(line)) => Some(line),
            (Outcome::RestoreFailed, Some(line)) => Some(format!("after the restore: {line}")),
            _ => error_text(&invoked, &self.place.version.spec),
        };
        let log = self.log_of(error, timings.exec, invoked.log_truncated);
        self.place.function.logs.keep(log);
        self.done = Some((invoked, timings));
    }

    fn failed(&mut self, error: ExecError) -> InvokeError {
        self.place.clone = None;
        self.tell(Ending::Failed);
        let log = self.log_of(Some(error.to_string()), self.given.elapsed(), false);
        self.place.function.logs.keep(log);
        error.into()
    }

    fn tell(&mut self, ending: Ending) {
        if let Some(seen) = self.seen.take() {
            seen.end(ending);
        }
    }

    fn log_of(&self, error: Option<String>, duration: Duration, truncated: bool) -> InvocationLog {
        InvocationLog {
            sequence: 0,
            request_id: self.start.request_id.clone(),
            version: self.place.version.number,
            ended_at_ms: now_ms(),
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            error,
            text: String::from_utf8_lossy(&self.log).into_owned(),
            truncated,
        }
    }

    /// What is told in place of a result that there is not, in AWS Lambda's words.
    fn description(&self, invoked: &Invoked) -> Option<Bytes> {
        let kind = match invoked.outcome {
            Outcome::Returned | Outcome::Raised | Outcome::RestoreFailed => return None,
            Outcome::TimedOut => "Sandbox.Timedout",
            Outcome::Ended(_) if invoked.out_of_memory => "Runtime.OutOfMemory",
            Outcome::Ended(_) => "Runtime.ExitError",
            Outcome::ResultTooLarge => "Function.ResponseSizeTooLarge",
        };
        let text = error_text(invoked, &self.place.version.spec).unwrap_or_default();
        let id = &self.start.request_id;
        let description = json!({
            "errorType": kind,
            "errorMessage": format!("RequestId: {id} Error: {text}"),
        });
        Some(description.to_string().into())
    }
}

impl Drop for RunningInvocation {
    fn drop(&mut self) {
        if self.seen.is_none() {
            return;
        }
        // What it has said and nobody has taken yet.
        let waiting = std::iter::from_fn(|| self.handle.output.try_recv().ok());
        for event in self.first.take().into_iter().chain(waiting) {
            if let Ok(InvokeEvent::Stdout(bytes) | InvokeEvent::Stderr(bytes)) = event {
                self.log.extend_from_slice(&bytes);
            }
        }
        let log = self.log_of(Some(HUNG_UP.to_owned()), self.given.elapsed(), false);
        self.place.function.logs.keep_blameless(log);
    }
}

fn error_text(invoked: &Invoked, spec: &VersionSpec) -> Option<String> {
    Some(match invoked.outcome {
        Outcome::Returned => return None,
        Outcome::Raised => "the handler raised an error".to_owned(),
        Outcome::RestoreFailed => "what it does after a restore raised an error".to_owned(),
        Outcome::TimedOut => {
            let seconds = spec.timeout.as_secs_f64();
            format!("Task timed out after {seconds:.2} seconds")
        }
        Outcome::Ended(_) if invoked.out_of_memory => {
            let mib = spec.shape.memory_mib;
            format!("Runtime exited with error: out of memory: {mib} MiB were not enough")
        }
        Outcome::Ended(ExitStatus::Exited(code)) => {
            format!("Runtime exited with error: exit status {code}")
        }
        Outcome::Ended(ExitStatus::Signaled(9)) => {
            "Runtime exited with error: signal: killed".to_owned()
        }
        Outcome::Ended(ExitStatus::Signaled(signal)) => {
            format!("Runtime exited with error: signal {signal}")
        }
        Outcome::ResultTooLarge => "the result is larger than is allowed".to_owned(),
    })
}

fn lost() -> ExecError {
    ExecError::Lost("the node ended it without a word".to_owned())
}
