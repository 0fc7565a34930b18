//! Giving an event to a function.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use thaw_pool_manager::{
    ExecError, ExecTimings, InvokeRequest, LeaseError, LeaseRequest, StartKind, TemplateSelector,
    image::ProgressSink,
    vmm::protocol::{FailureKind, FunctionKind, Outcome},
};

use super::{
    Functions, InvokeError, RunningInvocation, Version,
    admission::Share,
    clones::FunctionClone,
    observe::{Ending, Observation},
    registry::Function,
    running::{Begun, Place, Start},
};

/// How an event and its answer travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Each is one whole.
    Whole,
    /// The answer comes in pieces, as the function makes them.
    Pieces,
    /// Both are streams: a connection to a function of kind `http`, whose events are requests as they are.
    Connection,
}

/// An event for a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The function.
    pub function: String,
    /// A version's number or an alias; the newest version when absent.
    pub qualifier: Option<String>,
    /// On whose behalf, for fair turns.
    pub key: String,
    /// The invocation's id; unique as far as the caller makes it so.
    pub request_id: String,
    /// The event's media type.
    pub content_type: Option<String>,
    /// What a client of AWS says of itself, as JSON.
    pub client_context: Option<String>,
    /// The event, or its beginning.
    pub event: Bytes,
    /// How event and answer travel.
    pub way: Way,
    /// How long it may wait for a place and a clone.
    pub start_within: Duration,
}

/// What came of an event.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The invocation's id.
    pub request_id: String,
    /// The version that served it.
    pub version: u64,
    /// How it ended. A result is there in any case: of what went wrong it is a description as JSON.
    pub outcome: Outcome,
    /// The result's media type, where the function said.
    pub content_type: Option<String>,
    /// The result.
    pub result: Bytes,
    /// What the function wrote to standard output and error.
    pub log: Bytes,
    /// More was written than is kept.
    pub log_truncated: bool,
    /// How its clone came to be.
    pub start: StartKind,
    /// The VM that it ran in.
    pub vm_id: String,
    /// Waiting for a place and a clone.
    pub queue: Duration,
    /// Restoring a clone, where it was done for this event.
    pub restore: Duration,
    /// Where the time went on the node.
    pub timings: ExecTimings,
}

impl Functions {
    /// The number of the version that an event would go to.
    ///
    /// # Errors
    /// [`FunctionError`](super::FunctionError), when there is none.
    pub fn resolve(
        &self,
        function: &str,
        qualifier: Option<&str>,
    ) -> Result<u64, super::FunctionError> {
        Ok(self.0.registry.find(function)?.version(qualifier)?.number)
    }

    /// Gives an event to a function and collects its answer.
    ///
    /// # Errors
    /// See [`InvokeError`]. What the function does wrong is an [`Outcome`].
    ///
    /// # Cancel safety
    /// Dropped, the function is ended in the middle of its event.
    pub async fn invoke(&self, call: Invocation) -> Result<Answer, InvokeError> {
        self.start(call).await?.collect().await
    }

    /// Gives an event to a function; its answer comes piece by piece.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn start(&self, call: Invocation) -> Result<RunningInvocation, InvokeError> {
        let limit = self.0.limits.event_bytes;
        if call.event.len() > limit {
            return Err(InvokeError::EventTooLarge { limit });
        }
        let function = self.0.registry.find(&call.function)?;
        let seen = Observation::new(&self.0.observer, &function);
        match self.begin(function, call).await {
            Ok(begun) => Ok(RunningInvocation::new(begun, seen)),
            Err(error) => {
                seen.end(Ending::of_error(&error));
                Err(error)
            }
        }
    }

    /// A clone that ended while it waited to be used again takes no event, so the next one is given it.
    async fn begin(&self, function: Arc<Function>, call: Invocation) -> Result<Begun, InvokeError> {
        let begin = Instant::now();
        let version = function.version(call.qualifier.as_deref())?;
        check_kind(&version.spec.kind, call.way)?;
        let serving = version.serving.token();
        let share = Share {
            running: version.spec.concurrency,
            waiting: version.spec.queue,
            starting: self.0.limits.starting,
        };
        let within = call.start_within;
        let name = function.name.as_str();
        let mut seat = self.0.desk.enter(name, &call.key, share, within).await?;
        loop {
            let left = within.saturating_sub(begin.elapsed());
            let (clone, kind, restore) = self.clone_for(&function, &version, left).await?;
            seat.started();
            let queue = begin.elapsed().saturating_sub(restore);
            let request = self.request(&call, &version, &clone);
            let given = self.0.node.invoke(&clone.lease.id, request).await;
            let mut handle = match given {
                Err(error) if kind == StartKind::Reused && is_gone(&error) => continue,
                given => given?,
            };
            // A connection is served before anything comes out of it.
            let first = if kind == StartKind::Reused && call.way != Way::Connection {
                handle.output.recv().await
            } else {
                None
            };
            if matches!(&first, Some(Err(error)) if is_untaken(error)) {
                continue;
            }
            return Ok(Begun {
                handle,
                first,
                place: Place {
                    function,
                    version,
                    clone: Some(clone),
                    _seat: seat,
                    _serving: serving,
                },
                start: Start {
                    request_id: call.request_id,
                    kind,
                    queue,
                    restore,
                },
            });
        }
    }

    fn request(
        &self,
        call: &Invocation,
        version: &Version,
        clone: &FunctionClone,
    ) -> InvokeRequest {
        InvokeRequest {
            request_id: call.request_id.clone(),
            version: version.number.to_string(),
            content_type: call.content_type.clone(),
            client_context: call.client_context.clone(),
            event: call.event.clone(),
            more: call.way == Way::Connection,
            pieces: call.way == Way::Pieces,
            reuse: clone.may_serve_more(version.spec.reuse),
            timeout: version.spec.timeout,
            log_limit_bytes: self.0.limits.log_bytes,
            result_limit_bytes: match call.way {
                Way::Whole => self.0.limits.result_bytes,
                Way::Pieces | Way::Connection => self.0.limits.stream_bytes,
            },
        }
    }

    /// One that waits to be used again, else a fresh one.
    async fn clone_for(
        &self,
        function: &Arc<Function>,
        version: &Arc<Version>,
        within: Duration,
    ) -> Result<(FunctionClone, StartKind, Duration), InvokeError> {
        if let Some(clone) = version.clones.take() {
            return Ok((clone, StartKind::Reused, Duration::ZERO));
        }
        let request = |within| LeaseRequest {
            template: TemplateSelector::Template(version.template()),
            start_within: within,
        };
        let begin = Instant::now();
        let leased = self.0.node.lease(request(within)).await;
        let (lease, start) = match leased {
            Ok(lease) => {
                let start = lease.start;
                (lease, start)
            }
            // Somebody removed it, or another VMM runs here now; the code is kept.
            Err(LeaseError::UnknownTemplate(_) | LeaseError::BadTemplate { .. }) => {
                self.bake_again(function, version).await?;
                let left = within.saturating_sub(begin.elapsed());
                (self.0.node.lease(request(left)).await?, StartKind::Cold)
            }
            Err(error) => return Err(error.into()),
        };
        let restore = match start {
            StartKind::Cold => begin.elapsed(),
            StartKind::Parked | StartKind::Restored | StartKind::Reused => lease.restore,
        };
        Ok((
            FunctionClone::new(lease, Arc::clone(&self.0.node)),
            start,
            restore,
        ))
    }

    async fn bake_again(
        &self,
        function: &Arc<Function>,
        version: &Arc<Version>,
    ) -> Result<(), InvokeError> {
        let (name, progress) = (&function.name, ProgressSink::none());
        let baked = self
            .bake(
                name,
                version.image(),
                &version.spec,
                &version.code_digest,
                &progress,
            )
            .await;
        let template = baked
            .map_err(|error| InvokeError::Rebake(Arc::new(error)))?
            .id;
        let failed = |error| InvokeError::Function(super::FunctionError::Store(error));
        self.0
            .store
            .retemplate(name, version.number, &template)
            .await
            .map_err(failed)?;
        version.set_template(template);
        self.set_bounds(function).await;
        Ok(())
    }
}

/// Whether a clone that could not be given an event is no more.
fn is_gone(error: &ExecError) -> bool {
    match error {
        ExecError::UnknownLease(_) | ExecError::VmEnded { .. } | ExecError::Lost(_) => true,
        ExecError::Refused { .. }
        | ExecError::BadRequest(_)
        | ExecError::Paused(_)
        | ExecError::TooMany => false,
    }
}

/// Whether the clone says that its function had ended before the event came, which nobody was given then.
pub(super) fn is_untaken(error: &ExecError) -> bool {
    match error {
        ExecError::Refused { kind, .. } => *kind == FailureKind::FunctionEnded,
        ExecError::UnknownLease(_)
        | ExecError::VmEnded { .. }
        | ExecError::Lost(_)
        | ExecError::BadRequest(_)
        | ExecError::Paused(_)
        | ExecError::TooMany => false,
    }
}

pub(super) fn check_kind(kind: &FunctionKind, way: Way) -> Result<(), InvokeError> {
    let is_http = match kind {
        FunctionKind::Http { .. } => true,
        FunctionKind::Python { .. }
        | FunctionKind::Node { .. }
        | FunctionKind::Command { .. }
        | FunctionKind::Lambda { .. } => false,
    };
    match (is_http, way == Way::Connection) {
        (true, false) => Err(InvokeError::WrongKind(
            "a function of kind http takes requests under /http/, not events",
        )),
        (false, true) => Err(InvokeError::WrongKind(
            "only functions of kind http take requests under /http/; this one takes events",
        )),
        _ => Ok(()),
    }
}
