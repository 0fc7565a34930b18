//! What becomes of a queued event after a try: done, dead, or queued for later.

use std::time::Duration;

use thaw_pool_manager::vmm::protocol::Outcome;

use super::{Answer, EventState, FunctionError, InvokeError, QueuedEvent};

/// How often an event is tried (AWS Lambda: three times).
const ATTEMPTS: u32 = 3;
/// After a try that found no place or no clone, which is no attempt.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// So long an event waits for a place before it is given up.
pub(super) const LONGEST_BUSY: Duration = Duration::from_secs(3600);
/// How much of a result is kept.
const RESULT_BYTES: usize = 64 * 1024;
/// How much of an error is kept.
const ERROR_BYTES: usize = 4 * 1024;

/// What becomes of an event after a try.
pub(super) fn settle(
    mut event: QueuedEvent,
    answered: Result<Answer, InvokeError>,
    first_pause: Duration,
    now_ms: u64,
) -> QueuedEvent {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match answered {
        Ok(answer) if answer.outcome == Outcome::Returned => {
            event.info.state = EventState::Done;
            event.info.error = None;
            event.info.result_type = answer.content_type;
            event.result = Some(answer.result[..answer.result.len().min(RESULT_BYTES)].to_vec());
        }
        Err(error) if is_busy(&error) => {
            event.info.error = Some(error.to_string());
            if now_ms.saturating_sub(event.info.created_at_ms) >= ms(LONGEST_BUSY) {
                event.info.state = EventState::Dead;
            } else {
                event.info.due_at_ms = now_ms + ms(BUSY_PAUSE);
            }
        }
        other => {
            event.info.attempts += 1;
            event.info.error = Some(match &other {
                Ok(answer) => beginning(&answer.result),
                Err(error) => error.to_string(),
            });
            let hopeless = matches!(
                other,
                Err(InvokeError::Function(_) | InvokeError::WrongKind(_))
            );
            if hopeless || event.info.attempts >= ATTEMPTS {
                event.info.state = EventState::Dead;
            } else {
                event.info.due_at_ms =
                    now_ms + ms(first_pause * 4_u32.pow(event.info.attempts - 1));
            }
        }
    }
    if event.info.state != EventState::Queued {
        event.info.ended_at_ms = Some(now_ms);
    }
    event
}

/// What is kept of a description of an error.
fn beginning(described: &[u8]) -> String {
    let kept = described.len().min(ERROR_BYTES);
    String::from_utf8_lossy(&described[..kept]).into_owned()
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
    use crate::{StoreError, functions::EventInfo};

    const PAUSE: Duration = Duration::from_secs(1);
    const CAME: u64 = 1_000_000;

    fn event() -> QueuedEvent {
        QueuedEvent {
            number: 1,
            function: "f".into(),
            key: String::new(),
            client_context: None,
            info: EventInfo {
                id: "a".into(),
                qualifier: None,
                content_type: None,
                event_bytes: 0,
                state: EventState::Queued,
                attempts: 0,
                due_at_ms: CAME,
                created_at_ms: CAME,
                ended_at_ms: None,
                error: None,
                result_type: None,
            },
            event: Vec::new(),
            result: None,
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
        while event.info.state == EventState::Queued {
            let now = event.info.due_at_ms;
            event = settle(event, raised(), PAUSE, now);
            due.push(event.info.due_at_ms - now);
        }
        assert_eq!(due, [1000, 4000, 0]);
        assert_eq!(
            (event.info.state, event.info.attempts),
            (EventState::Dead, 3)
        );
        assert_eq!(event.info.ended_at_ms, Some(CAME + 5000));
        assert_eq!(event.info.error.as_deref(), Some("wrong"));
    }

    #[test]
    fn what_the_function_has_not_seen_is_no_attempt_and_is_tried_for_an_hour() {
        let timed_out = || Err(InvokeError::Lease(LeaseError::TimedOut(PAUSE)));
        for went in [timed_out, refused_by_the_database] {
            let waits = settle(event(), went(), PAUSE, CAME + 3_599_999);
            assert_eq!(
                (waits.info.state, waits.info.attempts),
                (EventState::Queued, 0)
            );
            assert_eq!(waits.info.due_at_ms, CAME + 3_600_999);
            assert!(waits.info.error.is_some());
            let dead = settle(waits, went(), PAUSE, CAME + 3_600_999);
            assert_eq!((dead.info.state, dead.info.attempts), (EventState::Dead, 0));
        }
    }

    #[test]
    fn what_can_go_no_better_is_given_up_at_once() {
        let gone = FunctionError::NotFound("f".into());
        for error in [InvokeError::Function(gone), InvokeError::WrongKind("http")] {
            let dead = settle(event(), Err(error), PAUSE, CAME);
            assert_eq!(dead.info.state, EventState::Dead);
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
        assert_eq!(done.info.state, EventState::Done);
        assert_eq!(done.result.unwrap().len(), RESULT_BYTES);
        let wrong = settle(event(), answer(Outcome::Raised, large), PAUSE, CAME);
        assert_eq!(wrong.info.error.unwrap().len(), ERROR_BYTES);
    }
}
