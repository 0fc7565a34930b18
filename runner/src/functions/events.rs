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

use tokio::task::JoinSet;

use super::{
    EventInfo, EventState, FunctionError, Functions, Invocation, InvokeError, QueuedEvent, Way,
    event_turns::EventTurns,
    settle::{LONGEST_BUSY, settle},
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
/// How long a try waits for a place and a clone; enough for a bake.
const START_WITHIN: Duration = Duration::from_secs(60);
/// When the database could not be read, it is tried again.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

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
            function: call.function,
            key: call.key,
            client_context: call.client_context,
            info: EventInfo {
                id: call.request_id,
                qualifier: call.qualifier,
                content_type: call.content_type,
                event_bytes: call.event.len() as u64,
                state: EventState::Queued,
                attempts: 0,
                due_at_ms: now,
                created_at_ms: now,
                ended_at_ms: None,
                error: None,
                result_type: None,
            },
            event: call.event.to_vec(),
            result: None,
        };
        let id = event.info.id.clone();
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
    ) -> Result<Vec<EventInfo>, FunctionError> {
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
        let info = &mut event.info;
        if info.state == EventState::Dead {
            let now = now_ms();
            (info.state, info.attempts) = (EventState::Queued, 0);
            (info.due_at_ms, info.created_at_ms, info.ended_at_ms) = (now, now, None);
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
            qualifier: event.info.qualifier.clone(),
            key: event.key.clone(),
            request_id: event.info.id.clone(),
            content_type: event.info.content_type.clone(),
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

fn no_room(what: String) -> InvokeError {
    InvokeError::Full {
        what,
        retry_after: Duration::from_secs(10),
    }
}
