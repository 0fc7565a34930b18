//! The rows of events that are served later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{
    Store, StoreError,
    vms::{signed, unsigned},
};
use crate::functions::{EventInfo, EventState, QueuedEvent};

const COLUMNS: &str = "number, id, function, qualifier, key, content_type, event, state, attempts, due_at_ms, \
                       created_at_ms, ended_at_ms, error, result, result_type, client_context, event_bytes";

/// How many events of one line are chosen from at once.
const LINE_EVENTS: usize = 64;

/// What became of an event that was to be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It is there now.
    New,
    /// The same event was there under its id already.
    Before,
    /// Another event of its function has its id.
    Taken,
    /// As many wait as may.
    Full,
    /// With it those that wait and those that were given up would hold more bytes than they may.
    TooManyBytes,
}

/// How many events of one function may wait, and how many bytes they may hold with those that were given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) events: u32,
    pub(crate) bytes: u64,
}

/// What is kept of events of one function that have ended: the newest, so many and so many bytes of each state.
pub(crate) type Kept = Most;

/// Whose events wait: a function and a key.
pub(crate) type EventLine = (String, String);

impl Store {
    /// Enters an event, unless its function has one of that id, or as many wait for it as may.
    pub(crate) async fn enter_event(
        &self,
        event: QueuedEvent,
        most: Most,
    ) -> Result<Entered, StoreError> {
        let attempt = "enter an event in";
        self.transact(attempt, move |transaction| {
            let enter = || {
                if let Some(there) = find(transaction, &event.function, &event.info.id)? {
                    let is_same = there.is_same_event(&event);
                    return Ok(if is_same {
                        Entered::Before
                    } else {
                        Entered::Taken
                    });
                }
                let waiting: u32 = transaction.query_row(
                    "SELECT count(*) FROM function_events WHERE function = ? AND state = 'queued'",
                    [&event.function],
                    |row| row.get(0),
                )?;
                if waiting >= most.events {
                    return Ok(Entered::Full);
                }
                let held: i64 = transaction.query_row(
                    "SELECT coalesce(sum(event_bytes), 0) FROM function_events
                     WHERE function = ? AND state IN ('queued', 'dead')",
                    [&event.function],
                    |row| row.get(0),
                )?;
                if unsigned(held) + event.info.event_bytes > most.bytes {
                    return Ok(Entered::TooManyBytes);
                }
                insert(transaction, &event)?;
                Ok(Entered::New)
            };
            enter().map_err(StoreError::database(attempt))
        })
        .await
    }

    /// Writes where an event is, and forgets the oldest of its function that have ended, beyond `keep`.
    pub(crate) async fn update_event(
        &self,
        event: QueuedEvent,
        keep: Kept,
    ) -> Result<(), StoreError> {
        let attempt = "change an event in";
        self.transact(attempt, move |transaction| {
            let update = || {
                // One that was removed meanwhile stays removed.
                write(transaction, &event)?;
                transaction.execute(
                    "DELETE FROM function_events WHERE ?2 != 'queued' AND number IN (
                        SELECT number FROM (
                            SELECT number, row_number() OVER newest AS nth, sum(event_bytes) OVER newest AS bytes
                            FROM function_events WHERE function = ?1 AND state = ?2
                            WINDOW newest AS (ORDER BY ended_at_ms DESC, number DESC))
                        WHERE nth > ?3 OR (nth > 1 AND bytes > ?4))",
                    params![event.function, event.info.state.as_str(), keep.events, signed(keep.bytes)],
                )?;
                Ok(())
            };
            update().map_err(StoreError::database(attempt))
        })
        .await
    }

    /// The queued events that are due, `but` left out: as many as `choose` names lines, each the one of its
    /// line that is due longest. `choose` is told the lines that have some and says whose turn is next.
    pub(crate) async fn due_events(
        &self,
        now_ms: u64,
        but: BTreeSet<u64>,
        mut choose: impl FnMut(&[EventLine]) -> Option<EventLine> + Send + 'static,
    ) -> Result<Vec<QueuedEvent>, StoreError> {
        let attempt = "read the events in";
        self.transact(attempt, move |transaction| {
            let mut read = || {
                let mut due = due_lines(transaction, now_ms, &but)?;
                let mut events = Vec::new();
                loop {
                    let lines: Vec<_> = due.keys().cloned().collect();
                    let Some(line) = choose(&lines) else {
                        return Ok(events);
                    };
                    let Some(numbers) = due.get_mut(&line) else {
                        return Ok(events);
                    };
                    if let Some(number) = numbers.pop_front() {
                        events.push(by_number(transaction, number)?);
                    }
                    if numbers.is_empty() {
                        due.remove(&line);
                    }
                }
            };
            read().map_err(StoreError::database(attempt))
        })
        .await
    }

    /// When the next queued event is due that is not due yet.
    pub(crate) async fn next_due_ms(&self, after_ms: u64) -> Result<Option<u64>, StoreError> {
        let attempt = "read the events in";
        self.transact(attempt, move |transaction| {
            let next: Option<i64> = transaction
                .query_row(
                    "SELECT min(due_at_ms) FROM function_events WHERE state = 'queued' AND due_at_ms > ?",
                    [signed(after_ms)],
                    |row| row.get(0),
                )
                .map_err(StoreError::database(attempt))?;
            Ok(next.map(unsigned))
        })
        .await
    }

    /// One event.
    pub(crate) async fn event(
        &self,
        function: &str,
        id: &str,
    ) -> Result<Option<QueuedEvent>, StoreError> {
        let (attempt, function, id) = ("read an event in", function.to_owned(), id.to_owned());
        self.transact(attempt, move |transaction| {
            find(transaction, &function, &id).map_err(StoreError::database(attempt))
        })
        .await
    }

    /// A function's newest events of a state, newest first, without what they hold.
    pub(crate) async fn events(
        &self,
        function: &str,
        state: EventState,
        limit: u32,
    ) -> Result<Vec<EventInfo>, StoreError> {
        let (attempt, function) = ("read the events in", function.to_owned());
        self.transact(attempt, move |transaction| {
            let read = || {
                let mut query = transaction.prepare_cached(
                    "SELECT id, qualifier, content_type, event_bytes, state, attempts, due_at_ms, created_at_ms,
                        ended_at_ms, error, result_type
                     FROM function_events WHERE function = ? AND state = ?
                     ORDER BY created_at_ms DESC, number DESC LIMIT ?",
                )?;
                let rows = query.query_map(params![function, state.as_str(), limit], read_info)?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            };
            read().map_err(StoreError::database(attempt))
        })
        .await
    }

    /// Forgets an event; whether it was there.
    pub(crate) async fn remove_event(&self, function: &str, id: &str) -> Result<bool, StoreError> {
        let (attempt, function, id) = ("remove an event from", function.to_owned(), id.to_owned());
        self.transact(attempt, move |transaction| {
            let removed = transaction
                .execute(
                    "DELETE FROM function_events WHERE function = ? AND id = ?",
                    [function, id],
                )
                .map_err(StoreError::database(attempt))?;
            Ok(removed > 0)
        })
        .await
    }
}

fn find(
    transaction: &Transaction<'_>,
    function: &str,
    id: &str,
) -> rusqlite::Result<Option<QueuedEvent>> {
    let mut query = transaction.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM function_events WHERE function = ? AND id = ?"
    ))?;
    query.query_row([function, id], read).optional()
}

fn by_number(transaction: &Transaction<'_>, number: u64) -> rusqlite::Result<QueuedEvent> {
    let mut query = transaction.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM function_events WHERE number = ?"
    ))?;
    query.query_row([signed(number)], read)
}

/// Of every line with queued events the first that are due, `but` left out. Steps from line to line over the
/// index, so a long line costs no more than a short one.
fn due_lines(
    transaction: &Transaction<'_>,
    now_ms: u64,
    but: &BTreeSet<u64>,
) -> rusqlite::Result<BTreeMap<EventLine, VecDeque<u64>>> {
    let mut next = transaction.prepare_cached(
        "SELECT function, key FROM function_events WHERE state = 'queued' AND (function, key) > (?, ?)
         ORDER BY function, key LIMIT 1",
    )?;
    let mut first = transaction.prepare_cached(
        "SELECT number FROM function_events
         WHERE state = 'queued' AND function = ? AND key = ? AND due_at_ms <= ?
         ORDER BY due_at_ms, number LIMIT ?",
    )?;
    let most = (LINE_EVENTS + but.len()) as i64;
    let mut due = BTreeMap::new();
    let mut line: EventLine = Default::default();
    loop {
        let found = next.query_row(params![line.0, line.1], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        let Some(found) = found.optional()? else {
            return Ok(due);
        };
        line = found;
        let rows = first.query_map(params![line.0, line.1, signed(now_ms), most], |row| {
            row.get::<_, i64>(0).map(unsigned)
        })?;
        let numbers: VecDeque<u64> = rows.collect::<rusqlite::Result<_>>()?;
        let wanted = numbers.into_iter().filter(|number| !but.contains(number));
        let numbers: VecDeque<u64> = wanted.take(LINE_EVENTS).collect();
        if !numbers.is_empty() {
            due.insert(line.clone(), numbers);
        }
    }
}

fn insert(transaction: &Transaction<'_>, event: &QueuedEvent) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(&format!(
        "INSERT INTO function_events ({COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))?;
    statement.execute(params![
        event.info.id,
        event.function,
        event.info.qualifier,
        event.key,
        event.info.content_type,
        event.event,
        event.info.state.as_str(),
        event.info.attempts,
        signed(event.info.due_at_ms),
        signed(event.info.created_at_ms),
        event.info.ended_at_ms.map(signed),
        event.info.error,
        event.result,
        event.info.result_type,
        event.client_context,
        signed(event.info.event_bytes),
    ])?;
    Ok(())
}

/// Writes what changes of an event.
fn write(transaction: &Transaction<'_>, event: &QueuedEvent) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "UPDATE function_events SET state = ?, attempts = ?, due_at_ms = ?, created_at_ms = ?, ended_at_ms = ?,
         error = ?, result = ?, result_type = ? WHERE number = ?",
    )?;
    statement.execute(params![
        event.info.state.as_str(),
        event.info.attempts,
        signed(event.info.due_at_ms),
        signed(event.info.created_at_ms),
        event.info.ended_at_ms.map(signed),
        event.info.error,
        event.result,
        event.info.result_type,
        signed(event.number),
    ])?;
    Ok(())
}

fn read_info(row: &Row<'_>) -> rusqlite::Result<EventInfo> {
    let state: String = row.get("state")?;
    Ok(EventInfo {
        id: row.get("id")?,
        qualifier: row.get("qualifier")?,
        content_type: row.get("content_type")?,
        event_bytes: unsigned(row.get("event_bytes")?),
        // What is neither is tried again.
        state: EventState::parse(&state).unwrap_or(EventState::Queued),
        attempts: row.get("attempts")?,
        due_at_ms: unsigned(row.get("due_at_ms")?),
        created_at_ms: unsigned(row.get("created_at_ms")?),
        ended_at_ms: row.get::<_, Option<i64>>("ended_at_ms")?.map(unsigned),
        error: row.get("error")?,
        result_type: row.get("result_type")?,
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<QueuedEvent> {
    Ok(QueuedEvent {
        number: unsigned(row.get("number")?),
        function: row.get("function")?,
        key: row.get("key")?,
        client_context: row.get("client_context")?,
        info: read_info(row)?,
        event: row.get("event")?,
        result: row.get("result")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most {
        events: 3,
        bytes: 100,
    };

    fn event(id: &str, bytes: usize) -> QueuedEvent {
        QueuedEvent {
            number: 0,
            function: "f".into(),
            key: String::new(),
            client_context: None,
            info: EventInfo {
                id: id.into(),
                qualifier: None,
                content_type: None,
                event_bytes: bytes as u64,
                state: EventState::Queued,
                attempts: 0,
                due_at_ms: 0,
                created_at_ms: 0,
                ended_at_ms: None,
                error: None,
                result_type: None,
            },
            event: vec![b'x'; bytes],
            result: None,
        }
    }

    /// A database that knows function `f`, and the folder that it is in.
    fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.db");
        let connection = super::super::open::open(&path).unwrap();
        let function = "INSERT INTO functions VALUES ('f', 1, 2);";
        connection.execute_batch(function).unwrap();
        drop(connection);
        (Store::open(&path).unwrap(), folder)
    }

    async fn end(store: &Store, id: &str, state: EventState, at_ms: u64) {
        let mut event = store.event("f", id).await.unwrap().unwrap();
        (event.info.state, event.info.ended_at_ms) = (state, Some(at_ms));
        store.update_event(event, MOST).await.unwrap();
    }

    async fn ids(store: &Store, state: EventState) -> Vec<String> {
        let listed = store.events("f", state, 10).await.unwrap();
        let mut ids: Vec<_> = listed.into_iter().map(|event| event.id).collect();
        ids.sort();
        ids
    }

    #[tokio::test]
    async fn events_that_wait_and_those_that_were_given_up_share_one_bound_of_bytes() {
        let (store, _folder) = store();
        let enter = async |id, bytes| store.enter_event(event(id, bytes), MOST).await.unwrap();
        assert_eq!(enter("a", 60).await, Entered::New);
        end(&store, "a", EventState::Dead, 1).await;
        assert_eq!(enter("b", 40).await, Entered::New);
        assert_eq!(enter("c", 1).await, Entered::TooManyBytes);
        end(&store, "b", EventState::Done, 2).await;
        assert_eq!(enter("c", 1).await, Entered::New);
        let listed = store.events("f", EventState::Dead, 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].event_bytes), (1, 60));
    }

    #[tokio::test]
    async fn of_events_that_have_ended_the_newest_are_kept_as_many_and_as_large_as_may_be() {
        let (store, _folder) = store();
        for (at_ms, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
            store.enter_event(event(id, 10), MOST).await.unwrap();
            end(&store, id, EventState::Done, at_ms as u64).await;
        }
        assert_eq!(ids(&store, EventState::Done).await, ["b", "c", "d"]);
        store.enter_event(event("e", 85), MOST).await.unwrap();
        end(&store, "e", EventState::Done, 9).await;
        assert_eq!(ids(&store, EventState::Done).await, ["d", "e"]);
        // Those that wait are never trimmed.
        for id in ["f", "g", "h"] {
            store.enter_event(event(id, 10), MOST).await.unwrap();
            let queued = store.event("f", id).await.unwrap().unwrap();
            store.update_event(queued, MOST).await.unwrap();
        }
        assert_eq!(ids(&store, EventState::Queued).await.len(), 3);
        let more = store.enter_event(event("i", 1), MOST).await.unwrap();
        assert_eq!(more, Entered::Full);
    }
}
