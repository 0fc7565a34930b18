//! Events that are served later: queued durably, tried again, and kept for people when nothing helps.
//!
//! ```text
//! enqueue ─► queued ─due─► an attempt ─┬─ returned ─────────────────────────► done
//!              ▲                       ├─ went wrong, attempts are left ────► queued, later each time
//!              │                       ├─ went wrong for the last time ─────► dead
//!              │                       └─ no place, no clone ───────────────► queued, an hour long, then dead
//!              └──── retry ◄── dead
//! ```
//!
//! A row stays queued while its event is served, so a daemon that is killed serves it again: at least once.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use thaw_pool_manager::vmm::protocol::Outcome;
use tokio::task::JoinSet;

use super::{
    Answer, FunctionError, Functions, Invocation, InvokeError, Way, event_turns::EventTurns,
};
use crate::{
    clock::now_ms,
    store::{Entered, Kept, Most},
};

/// Events that are tried at once, of all functions; of one at most half as many, see [`EventTurns`].
const AT_ONCE: usize = 64;
/// Events that wait for one function; more are refused.
const MOST_QUEUED: u32 = 10_000;
/// Events that are kept of one function when they are done, and again when they are dead.
const MOST_KEPT: u32 = 1000;
/// How often an event is tried (AWS Lambda: three times).
const ATTEMPTS: u32 = 3;
/// After a try that found no place or no clone, which is no attempt.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// So long an event waits for a place before it is given up.
const LONGEST_BUSY: Duration = Duration::from_secs(3600);
/// How long a try waits for a place and a clone; enough for a bake.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How much of a result is kept.
const RESULT_BYTES: usize = 64 * 1024;
/// How much of an error is kept.
const ERROR_BYTES: usize = 4 * 1024;
/// When the database could not be read, it is tried again.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// An event that is served later, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Its row, which no other event gets; 0 until it is entered.
    pub number: u64,
    /// Its id among its function's events, which is that of its invocations.
    pub id: String,
    /// The function.
    pub function: String,
    /// A version's number or an alias.
    pub qualifier: Option<String>,
    /// On whose behalf, for fair turns.
    pub key: String,
    /// The event's media type.
    pub content_type: Option<String>,
    /// What a client of AWS says of itself, as JSON.
    pub client_context: Option<String>,
    /// The event.
    pub event: Vec<u8>,
    /// Where it is.
    pub state: EventState,
    /// Attempts that went wrong.
    pub attempts: u32,
    /// When it is to be tried, in milliseconds since 1970-01-01 UTC.
    pub due_at_ms: u64,
    /// When it came.
    pub created_at_ms: u64,
    /// When it was done, or given up.
    pub ended_at_ms: Option<u64>,
    /// What went wrong last.
    pub error: Option<String>,
    /// What the function returned, at most 64 KiB.
    pub result: Option<Vec<u8>>,
    /// The result's media type.
    pub result_type: Option<String>,
}

/// An event without what it holds, and without what came out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEvent {
    /// Its id among its function's events.
    pub id: String,
    /// A version's number or an alias.
    pub qualifier: Option<String>,
    /// The event's media type.
    pub content_type: Option<String>,
    /// The size of the event.
    pub event_bytes: u64,
    /// Where it is.
    pub state: EventState,
    /// Attempts that went wrong.
    pub attempts: u32,
    /// When it is to be tried, in milliseconds since 1970-01-01 UTC.
    pub due_at_ms: u64,
    /// When it came.
    pub created_at_ms: u64,
    /// When it was done, or given up.
    pub ended_at_ms: Option<u64>,
    /// What went wrong last.
    pub error: Option<String>,
    /// The result's media type.
    pub result_type: Option<String>,
}

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// It is to be served, or is being served.
    Queued,
    /// The function returned.
    Done,
    /// It was given up.
    Dead,
}

impl EventState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Queued, Self::Done, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

impl QueuedEvent {
    /// Whether a caller that sends `other` means this event, as one does that tries again.
    pub(crate) fn is_same_event(&self, other: &Self) -> bool {
        let asked = |event: &Self| {
            let (qualifier, kind) = (event.qualifier.clone(), event.content_type.clone());
            (
                qualifier,
                kind,
                event.client_context.clone(),
                event.key.clone(),
            )
        };
        self.event == other.event && asked(self) == asked(other)
    }
}

impl Functions {
    /// Takes an event to serve it later. When this returns it is on the disk. The same event under the same id
    /// is taken once, so a caller without an answer may send it again.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn enqueue(&self, call: Invocation) -> Result<(), InvokeError> {
        let limit = self.0.limits.event_bytes;
        if call.event.len() > limit {
            return Err(InvokeError::EventTooLarge { limit });
        }
        let function = self.0.registry.find(&call.function)?;
        let version = function.version(call.qualifier.as_deref())?;
        super::invoke::check_kind(&version.spec.kind, Way::Whole)?;
        let now = now_ms();
        let event = QueuedEvent {
            number: 0,
            id: call.request_id,
            function: call.function,
            qualifier: call.qualifier,
            key: call.key,
            content_type: call.content_type,
            client_context: call.client_context,
            event: call.event.to_vec(),
            state: EventState::Queued,
            attempts: 0,
            due_at_ms: now,
            created_at_ms: now,
            ended_at_ms: None,
            error: None,
            result: None,
            result_type: None,
        };
        let id = event.id.clone();
        let bytes = self.0.limits.events_bytes;
        let most = Most {
            events: MOST_QUEUED,
            bytes,
        };
        let entered = self.0.store.enter_event(event, most).await;
        match entered.map_err(FunctionError::Store)? {
            Entered::New => self.0.queued.notify_one(),
            Entered::Before => {}
            Entered::Taken => return Err(InvokeError::IdTaken(id)),
            Entered::Full => {
                let what = format!("{MOST_QUEUED} events are queued for the function already");
                return Err(no_room(what));
            }
            Entered::TooManyBytes => {
                let mib = bytes >> 20;
                return Err(no_room(format!(
                    "the function's events that are queued or dead hold {mib} MiB already; dead ones stay until \
                     they are tried again or removed"
                )));
            }
        }
        Ok(())
    }

    /// A function's newest events of a state, newest first, without what they hold.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn events(
        &self,
        function: &str,
        state: EventState,
        limit: u32,
    ) -> Result<Vec<ListedEvent>, FunctionError> {
        self.0.registry.find(function)?;
        Ok(self.0.store.events(function, state, limit).await?)
    }

    /// One event.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn event(&self, function: &str, id: &str) -> Result<QueuedEvent, FunctionError> {
        let found = self.0.store.event(function, id).await?;
        found.ok_or_else(|| FunctionError::NoEvent(id.to_owned()))
    }

    /// Queues a dead event again, as if it had just come.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn retry_event(
        &self,
        function: &str,
        id: &str,
    ) -> Result<QueuedEvent, FunctionError> {
        let mut event = self.event(function, id).await?;
        if event.state == EventState::Dead {
            let now = now_ms();
            (event.state, event.attempts) = (EventState::Queued, 0);
            (event.due_at_ms, event.created_at_ms, event.ended_at_ms) = (now, now, None);
            self.0
                .store
                .update_event(event.clone(), self.kept())
                .await?;
            self.0.queued.notify_one();
        }
        Ok(event)
    }

    /// Forgets an event. One that is being served is served to its end.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn remove_event(&self, function: &str, id: &str) -> Result<(), FunctionError> {
        if self.0.store.remove_event(function, id).await? {
            Ok(())
        } else {
            Err(FunctionError::NoEvent(id.to_owned()))
        }
    }

    /// Serves queued events until the functions are shut down.
    pub(super) async fn serve_events(&self) {
        let mut serving = JoinSet::new();
        let mut numbers = BTreeSet::new();
        let turns = Arc::new(Mutex::new(EventTurns::new(AT_ONCE)));
        loop {
            let pause = match self.due(&numbers, &turns).await {
                Ok((events, pause)) => {
                    for event in events {
                        numbers.insert(event.number);
                        let functions = self.clone();
                        serving.spawn(async move {
                            let number = event.number;
                            let line = (event.function.clone(), event.key.clone());
                            functions.attempt(event).await;
                            (number, line)
                        });
                    }
                    pause
                }
                Err(error) => {
                    tracing::error!(%error, "could not read the queued events");
                    AFTER_TROUBLE
                }
            };
            tokio::select! {
                // Those that are served are served again at the next start.
                () = self.0.stop.cancelled() => return,
                Some(ended) = serving.join_next() => {
                    if let Ok((number, line)) = ended {
                        numbers.remove(&number);
                        turns.lock().unwrap_or_else(PoisonError::into_inner).end(&line);
                    }
                }
                () = self.0.queued.notified() => {}
                _ = tokio::time::timeout(pause, std::future::pending::<()>()) => {}
            }
        }
    }

    /// What is due now and has its turn, and how long it takes until something else is due.
    async fn due(
        &self,
        served: &BTreeSet<u64>,
        turns: &Arc<Mutex<EventTurns>>,
    ) -> Result<(Vec<QueuedEvent>, Duration), crate::StoreError> {
        let now = now_ms();
        let turns = Arc::clone(turns);
        let choose = move |due: &[_]| {
            let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.begin_next(due)
        };
        let store = &self.0.store;
        let events = store.due_events(now, served.clone(), choose).await?;
        let next = store.next_due_ms(now).await?;
        let pause = next.map_or(LONGEST_BUSY, |next| {
            Duration::from_millis(next.saturating_sub(now).max(1))
        });
        Ok((events, pause))
    }

    /// What is kept of events that have ended, of each state.
    fn kept(&self) -> Kept {
        Kept {
            events: MOST_KEPT,
            bytes: self.0.limits.events_bytes,
        }
    }

    async fn attempt(&self, mut event: QueuedEvent) {
        let call = Invocation {
            function: event.function.clone(),
            qualifier: event.qualifier.clone(),
            key: event.key.clone(),
            request_id: event.id.clone(),
            content_type: event.content_type.clone(),
            client_context: event.client_context.clone(),
            // It is not written again.
            event: std::mem::take(&mut event.event).into(),
            way: Way::Whole,
            start_within: START_WITHIN,
        };
        let answered = self.invoke(call).await;
        let event = settle(event, answered, self.0.limits.retry_pause, now_ms());
        if let Err(error) = self.0.store.update_event(event, self.kept()).await {
            // It stays queued, and is tried again.
            tracing::error!(%error, "could not write what became of an event");
        }
    }
}

/// What becomes of an event after a try.
fn settle(
    mut event: QueuedEvent,
    answered: Result<Answer, InvokeError>,
    first_pause: Duration,
    now_ms: u64,
) -> QueuedEvent {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match answered {
        Ok(answer) if answer.outcome == Outcome::Returned => {
            event.state = EventState::Done;
            event.error = None;
            event.result_type = answer.content_type;
            event.result = Some(answer.result[..answer.result.len().min(RESULT_BYTES)].to_vec());
        }
        Err(error) if is_busy(&error) => {
            event.error = Some(error.to_string());
            if now_ms.saturating_sub(event.created_at_ms) >= ms(LONGEST_BUSY) {
                event.state = EventState::Dead;
            } else {
                event.due_at_ms = now_ms + ms(BUSY_PAUSE);
            }
        }
        other => {
            event.attempts += 1;
            event.error = Some(match &other {
                Ok(answer) => beginning(&answer.result),
                Err(error) => error.to_string(),
            });
            let hopeless = matches!(
                other,
                Err(InvokeError::Function(_) | InvokeError::WrongKind(_))
            );
            if hopeless || event.attempts >= ATTEMPTS {
                event.state = EventState::Dead;
            } else {
                event.due_at_ms = now_ms + ms(first_pause * 4_u32.pow(event.attempts - 1));
            }
        }
    }
    if event.state != EventState::Queued {
        event.ended_at_ms = Some(now_ms);
    }
    event
}

/// What is kept of a description of an error.
fn beginning(described: &[u8]) -> String {
    let kept = described.len().min(ERROR_BYTES);
    String::from_utf8_lossy(&described[..kept]).into_owned()
}

fn no_room(what: String) -> InvokeError {
    InvokeError::Full {
        what,
        retry_after: Duration::from_secs(10),
    }
}

/// Whether the function has not seen the event, and may see it later.
fn is_busy(error: &InvokeError) -> bool {
    match error {
        InvokeError::Full { .. }
        | InvokeError::TimedOut(_)
        | InvokeError::Lease(_)
        | InvokeError::Function(FunctionError::Store(_)) => true,
        InvokeError::Function(_)
        | InvokeError::EventTooLarge { .. }
        | InvokeError::Rebake(_)
        | InvokeError::Exec(_)
        | InvokeError::IdTaken(_)
        | InvokeError::WrongKind(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use thaw_pool_manager::{ExecTimings, LeaseError, StartKind};

    use super::*;
    use crate::StoreError;

    const PAUSE: Duration = Duration::from_secs(1);
    const CAME: u64 = 1_000_000;

    fn event() -> QueuedEvent {
        QueuedEvent {
            number: 1,
            id: "a".into(),
            function: "f".into(),
            qualifier: None,
            key: String::new(),
            content_type: None,
            client_context: None,
            event: Vec::new(),
            state: EventState::Queued,
            attempts: 0,
            due_at_ms: CAME,
            created_at_ms: CAME,
            ended_at_ms: None,
            error: None,
            result: None,
            result_type: None,
        }
    }

    fn answer(outcome: Outcome, result: Bytes) -> Result<Answer, InvokeError> {
        Ok(Answer {
            request_id: "a".into(),
            version: 1,
            outcome,
            content_type: None,
            result,
            log: Bytes::new(),
            log_truncated: false,
            start: StartKind::Parked,
            vm_id: String::new(),
            queue: Duration::ZERO,
            restore: Duration::ZERO,
            timings: ExecTimings::default(),
        })
    }

    fn raised() -> Result<Answer, InvokeError> {
        answer(Outcome::Raised, Bytes::from_static(b"wrong"))
    }

    fn refused_by_the_database() -> Result<Answer, InvokeError> {
        let source = rusqlite::Error::QueryReturnedNoRows;
        let attempt = "change";
        let error = StoreError::Database { attempt, source };
        Err(InvokeError::Function(FunctionError::Store(error)))
    }

    #[test]
    fn one_that_goes_wrong_is_tried_again_later_each_time_and_then_given_up() {
        let mut event = event();
        let mut due = Vec::new();
        while event.state == EventState::Queued {
            let now = event.due_at_ms;
            event = settle(event, raised(), PAUSE, now);
            due.push(event.due_at_ms - now);
        }
        assert_eq!(due, [1000, 4000, 0]);
        assert_eq!((event.state, event.attempts), (EventState::Dead, 3));
        assert_eq!(event.ended_at_ms, Some(CAME + 5000));
        assert_eq!(event.error.as_deref(), Some("wrong"));
    }

    #[test]
    fn what_the_function_has_not_seen_is_no_attempt_and_is_tried_for_an_hour() {
        let timed_out = || Err(InvokeError::Lease(LeaseError::TimedOut(PAUSE)));
        for went in [timed_out, refused_by_the_database] {
            let waits = settle(event(), went(), PAUSE, CAME + 3_599_999);
            assert_eq!((waits.state, waits.attempts), (EventState::Queued, 0));
            assert_eq!(waits.due_at_ms, CAME + 3_600_999);
            assert!(waits.error.is_some());
            let dead = settle(waits, went(), PAUSE, CAME + 3_600_999);
            assert_eq!((dead.state, dead.attempts), (EventState::Dead, 0));
        }
    }

    #[test]
    fn what_can_go_no_better_is_given_up_at_once() {
        let gone = FunctionError::NotFound("f".into());
        for error in [InvokeError::Function(gone), InvokeError::WrongKind("http")] {
            let dead = settle(event(), Err(error), PAUSE, CAME);
            assert_eq!(dead.state, EventState::Dead);
        }
    }

    #[test]
    fn results_and_errors_are_kept_as_far_as_they_are_not_too_large() {
        let large = Bytes::from(vec![b'x'; 1 << 20]);
        let done = settle(
            event(),
            answer(Outcome::Returned, large.clone()),
            PAUSE,
            CAME,
        );
        assert_eq!(done.state, EventState::Done);
        assert_eq!(done.result.unwrap().len(), RESULT_BYTES);
        let wrong = settle(event(), answer(Outcome::Raised, large), PAUSE, CAME);
        assert_eq!(wrong.error.unwrap().len(), ERROR_BYTES);
    }
}
