//! The tables, and how an older file gets them.

use rusqlite::Connection;

use super::ApiDbError;

/// One step from each version to the next; a step that was released is never changed.
const STEPS: &[&str] = &["
    CREATE TABLE admin (
        one            INTEGER PRIMARY KEY CHECK (one = 1),
        -- An Argon2id PHC string, or `bandsox-sha256$HEX` until the first right login.
        password       TEXT NOT NULL,
        session_secret BLOB NOT NULL
    ) STRICT;
    CREATE TABLE keys (
        id           TEXT PRIMARY KEY,
        name         TEXT NOT NULL UNIQUE,
        -- SHA-256 of the whole key.
        hash         BLOB NOT NULL UNIQUE,
        -- Words with spaces between them.
        scopes       TEXT NOT NULL,
        created_at   INTEGER NOT NULL,
        expires_at   INTEGER,
        last_used_at INTEGER
    ) STRICT;
    CREATE TABLE sessions (
        id         TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE audit (
        seq        INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms      INTEGER NOT NULL,
        who        TEXT NOT NULL,
        action     TEXT NOT NULL,
        target     TEXT NOT NULL,
        status     INTEGER NOT NULL,
        address    TEXT NOT NULL,
        request_id TEXT NOT NULL,
        refused    INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_kind ON audit (refused, seq);
"];

/// The version of a file that this program writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// The version that the file is of; 0 when it is new.
pub(super) fn version(connection: &Connection) -> Result<i64, ApiDbError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Brings the file to [`VERSION`], all of it or nothing. Safe when two programs do it at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), ApiDbError> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let from = usize::try_from(version(&change)?).unwrap_or(0);
    for step in STEPS.iter().skip(from) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "user_version", VERSION)?;
    Ok(change.commit()?)
}
