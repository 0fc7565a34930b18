//! The rows of events that are served later.

use rusqlite::{OptionalExtension as _, Row, params};

use super::{
    Store, StoreError,
    vms::{signed, unsigned},
};
use crate::functions::{EventState, QueuedEvent};

const COLUMNS: &str = "id, function, qualifier, key, content_type, event, state, attempts, due_at_ms, created_at_ms, \
                       ended_at_ms, error, result, result_type, client_context";

impl Store {
    /// Enters an event, unless as many as `most` wait for its function; whether it was entered.
    pub(crate) async fn enter_event(
        &self,
        event: QueuedEvent,
        most: u32,
    ) -> Result<bool, StoreError> {
        let attempt = "enter an event in";
        self.transact(attempt, move |transaction| {
            let enter = || {
                let waiting: u32 = transaction.query_row(
                    "SELECT count(*) FROM function_events WHERE function = ? AND state = 'queued'",
                    [&event.function],
                    |row| row.get(0),
                )?;
                if waiting >= most {
                    return Ok(false);
                }
                write(transaction, &event)?;
                Ok(true)
            };
            enter().map_err(StoreError::database(attempt))
        })
        .await
    }

    /// Writes an event anew, and forgets the oldest of its function that have ended, beyond `keep`.
    pub(crate) async fn update_event(
        &self,
        event: QueuedEvent,
        keep: u32,
    ) -> Result<(), StoreError> {
        let attempt = "change an event in";
        self.transact(attempt, move |transaction| {
            let update = || {
                // One that was removed meanwhile stays removed.
                let there: bool = transaction.query_row(
                    "SELECT count(*) FROM function_events WHERE id = ?",
                    [&event.id],
                    |row| row.get(0),
                )?;
                if !there {
                    return Ok(());
                }
                write(transaction, &event)?;
                transaction.execute(
                    "DELETE FROM function_events WHERE function = ?1 AND state = ?2 AND id NOT IN (
                        SELECT id FROM function_events WHERE function = ?1 AND state = ?2
                        ORDER BY ended_at_ms DESC LIMIT ?3)
                     AND ?2 != 'queued'",
                    params![event.function, event.state.as_str(), keep],
                )?;
                Ok(())
            };
            update().map_err(StoreError::database(attempt))
        })
        .await
    }

    /// The queued events that are due longest, `but` left out.
    pub(crate) async fn due_events(
        &self,
        now_ms: u64,
        but: Vec<String>,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError> {
        let attempt = "read the events in";
        self.transact(attempt, move |transaction| {
            let read = || {
                let mut query = transaction.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM function_events WHERE state = 'queued' AND due_at_ms <= ?
                     ORDER BY due_at_ms LIMIT ?"
                ))?;
                // As many more as may be left out.
                let most = (limit + but.len()) as i64;
                let rows = query.query_map(params![signed(now_ms), most], read)?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            };
            let events = read().map_err(StoreError::database(attempt))?;
            let wanted = events.into_iter().filter(|event| !but.contains(&event.id));
            Ok(wanted.take(limit).collect())
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
            transaction
                .query_row(
                    &format!("SELECT {COLUMNS} FROM function_events WHERE function = ? AND id = ?"),
                    [function, id],
                    read,
                )
                .optional()
                .map_err(StoreError::database(attempt))
        })
        .await
    }

    /// A function's newest events of a state, newest first.
    pub(crate) async fn events(
        &self,
        function: &str,
        state: EventState,
        limit: u32,
    ) -> Result<Vec<QueuedEvent>, StoreError> {
        let (attempt, function) = ("read the events in", function.to_owned());
        self.transact(attempt, move |transaction| {
            let read = || {
                let mut query = transaction.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM function_events WHERE function = ? AND state = ?
                     ORDER BY created_at_ms DESC LIMIT ?"
                ))?;
                let rows = query.query_map(params![function, state.as_str(), limit], read)?;
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

fn write(transaction: &rusqlite::Transaction<'_>, event: &QueuedEvent) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(&format!(
        "INSERT OR REPLACE INTO function_events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))?;
    statement.execute(params![
        event.id,
        event.function,
        event.qualifier,
        event.key,
        event.content_type,
        event.event,
        event.state.as_str(),
        event.attempts,
        signed(event.due_at_ms),
        signed(event.created_at_ms),
        event.ended_at_ms.map(signed),
        event.error,
        event.result,
        event.result_type,
        event.client_context,
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<QueuedEvent> {
    let state: String = row.get(6)?;
    Ok(QueuedEvent {
        id: row.get(0)?,
        function: row.get(1)?,
        qualifier: row.get(2)?,
        key: row.get(3)?,
        content_type: row.get(4)?,
        event: row.get(5)?,
        // What is neither is tried again.
        state: EventState::parse(&state).unwrap_or(EventState::Queued),
        attempts: row.get(7)?,
        due_at_ms: unsigned(row.get(8)?),
        created_at_ms: unsigned(row.get(9)?),
        ended_at_ms: row.get::<_, Option<i64>>(10)?.map(unsigned),
        error: row.get(11)?,
        result: row.get(12)?,
        result_type: row.get(13)?,
        client_context: row.get(14)?,
    })
}
