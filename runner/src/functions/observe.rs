//! What is told of each event that came to a function, so that somebody can count.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use thaw_pool_manager::{
    LeaseError, StartKind,
    vmm::protocol::{Invoked, Outcome},
};

use super::{FunctionName, InvokeError, registry::Function};

/// How it ended with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The function served it, well or not.
    Served(Outcome),
    /// The kernel killed the function for want of memory.
    OutOfMemory,
    /// There was no place or clone for it in time.
    Refused,
    /// It could not be given, or its clone was lost.
    Failed,
    /// The caller left before the end.
    Abandoned,
}

impl Ending {
    pub(super) fn of(invoked: &Invoked) -> Self {
        match invoked.outcome {
            Outcome::Ended(_) if invoked.out_of_memory => Self::OutOfMemory,
            outcome => Self::Served(outcome),
        }
    }

    pub(super) fn of_error(error: &InvokeError) -> Self {
        match error {
            InvokeError::Full { .. }
            | InvokeError::TimedOut(_)
            | InvokeError::Lease(LeaseError::Full { .. } | LeaseError::TimedOut(_)) => {
                Self::Refused
            }
            _ => Self::Failed,
        }
    }
}

/// An event that is over.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The function that it came to.
    pub function: &'a FunctionName,
    /// How its clone came to be; none when it had none.
    pub start: Option<StartKind>,
    /// How it ended.
    pub ending: Ending,
    /// From its coming to its end.
    pub took: Duration,
}

type Tell = Box<dyn Fn(&Observed<'_>) + Send + Sync>;

/// Whoever is told, once there is somebody.
#[derive(Default, Clone)]
pub(super) struct Observer(Arc<OnceLock<Tell>>);

impl Observer {
    /// Only the first one is told.
    pub(super) fn set(&self, tell: Tell) {
        let _ = self.0.set(tell);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer")
            .field(&self.0.get().is_some())
            .finish()
    }
}

/// An event from its coming to its end. Dropped before that, it was abandoned.
#[derive(Debug)]
pub(super) struct Observation {
    observer: Observer,
    function: Arc<Function>,
    start: Option<StartKind>,
    ending: Ending,
    came: Instant,
}

impl Observation {
    pub(super) fn new(observer: &Observer, function: &Arc<Function>) -> Self {
        Self {
            observer: observer.clone(),
            function: Arc::clone(function),
            start: None,
            ending: Ending::Abandoned,
            came: Instant::now(),
        }
    }

    pub(super) fn started(&mut self, start: StartKind) {
        self.start = Some(start);
    }

    pub(super) fn end(mut self, ending: Ending) {
        self.ending = ending;
    }

    /// Somebody else tells of the event.
    pub(super) fn forget(mut self) {
        self.observer = Observer::default();
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if let Some(tell) = self.observer.0.get() {
            tell(&Observed {
                function: &self.function.name,
                start: self.start,
                ending: self.ending,
                took: self.came.elapsed(),
            });
        }
    }
}
