//! Room in a database for what must be written though the disk is full.
//!
//! ```text
//! file     ▐ rows │ free pages: RESERVE_BYTES ▌        journal  ▐ checkpointed from its begin on ─► RESERVE_BYTES ▌
//! ```
//! A disk is emptied by removing things, and that begins with a row: SQLite writes the pages that change to its
//! journal first, and the file grows when that is carried over. Both have room of their own, which was written once and
//! is written over from then on.

use rusqlite::Connection;

/// How much. A removal takes a few pages of 4 KiB.
const RESERVE_BYTES: u32 = 1 << 20;

/// After so many pages the journal is carried over and begins anew, so that it does not outgrow its reserve.
const JOURNAL_PAGES: u32 = 128;

/// Gives a database with a write-ahead log room of its own, in the file and in the log. The log's is gone when the last
/// connection is closed, so each daemon does it anew.
///
/// # Errors
/// What SQLite says, above all that there is no room already; the database is as it was.
fn reserve_room(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "wal_autocheckpoint", JOURNAL_PAGES)?;
    // What a kill in between leaves is dropped by the next one. Dropped pages stay the file's own.
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS reserve;
         BEGIN; CREATE TABLE reserve (bytes BLOB); INSERT INTO reserve VALUES (zeroblob({RESERVE_BYTES})); COMMIT;
         DROP TABLE reserve;"
    ))?;
    connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
}

/// The same where a database must do without: there is a warning then.
pub fn try_to_reserve_room(connection: &Connection, name: &str) {
    if let Err(error) = reserve_room(connection) {
        tracing::warn!(%error, "no room is reserved in {name}: nothing may be removable on a full disk");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_and_its_journal_have_room_and_do_not_grow_with_each_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let length = |of: &str| {
            let file = folder.path().join(of);
            file.metadata().map_or(0, |file| file.len())
        };
        let mut first = None;
        for _ in 0..3 {
            let connection = Connection::open(&path).unwrap();
            connection
                .pragma_update(None, "journal_mode", "WAL")
                .unwrap();
            connection
                .execute_batch("CREATE TABLE IF NOT EXISTS t (a)")
                .unwrap();
            reserve_room(&connection).unwrap();
            assert!(length("a.db-wal") > u64::from(RESERVE_BYTES));
            let file = *first.get_or_insert_with(|| length("a.db"));
            assert!(file > u64::from(RESERVE_BYTES));
            assert_eq!(length("a.db"), file);
            // What is written then makes neither of them grow.
            let journal = length("a.db-wal");
            for _ in 0..400 {
                connection
                    .execute_batch("INSERT INTO t VALUES (1); DELETE FROM t")
                    .unwrap();
            }
            assert_eq!((length("a.db"), length("a.db-wal")), (file, journal));
        }
    }
}
