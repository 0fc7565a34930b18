//! Opening `runner.db`.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, TransactionBehavior};
use thaw_pool_manager::try_to_reserve_room;
use thiserror::Error;

use super::{schema::MIGRATIONS, vms::signed};

/// The runner's database can't be opened, read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file can't be made.
    #[error("could not make {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A newer Thaw wrote it.
    #[error(
        "{path} has schema version {found}, and this Thaw knows versions up to {known}; run the Thaw that wrote it, or a newer one"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: usize,
    },
    /// SQLite refused.
    #[error("could not {attempt} the runner's database")]
    Database {
        /// What was tried.
        attempt: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A row holds what this version does not write.
    #[error("the row of {id} in the runner's database is damaged: {what}")]
    Row {
        /// The row's id.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// Its thread is gone.
    #[error("the runner's database is closed")]
    Closed,
}

impl StoreError {
    pub(super) fn database(attempt: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { attempt, source }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Database { source, .. } => {
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            Self::File { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Version { .. } | Self::Row { .. } | Self::Closed => false,
        }
    }
}

/// Opens the file, makes it where it is missing, and brings it to the newest version.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    // SQLite gives its journal the mode of the file itself, so nobody else reads any of it.
    make_private(path).map_err(|source| StoreError::File {
        path: path.to_owned(),
        source,
    })?;
    let mut connection = Connection::open(path).map_err(StoreError::database("open"))?;
    let set = |name, value: &str| connection.pragma_update(None, name, value);
    set("journal_mode", "WAL")
        // Every commit is synced: what was answered is there after a loss of power.
        .and_then(|()| set("synchronous", "FULL"))
        .map_err(StoreError::database("set up"))?;
    migrate(&mut connection, path)?;
    try_to_reserve_room(&connection, "runner.db");
    Ok(connection)
}

fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = || StoreError::database("migrate");
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed())?;
    let version: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed())?;
    let applied = usize::try_from(version).unwrap_or(usize::MAX);
    let known = MIGRATIONS.len();
    let Some(missing) = MIGRATIONS.get(applied..) else {
        return Err(StoreError::Version {
            path: path.to_owned(),
            found: version,
            known,
        });
    };
    for migration in missing {
        transaction.execute_batch(migration).map_err(failed())?;
    }
    transaction
        .pragma_update(None, "user_version", signed(known as u64))
        .map_err(failed())?;
    transaction.commit().map_err(failed())
}

/// Makes a file as an older version did, without rows.
#[cfg(test)]
pub(super) fn older(path: &Path, version: usize) -> Connection {
    let connection = Connection::open(path).unwrap();
    for migration in &MIGRATIONS[..version] {
        connection.execute_batch(migration).unwrap();
    }
    connection
        .pragma_update(None, "user_version", signed(version as u64))
        .unwrap();
    connection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_private_and_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.db");
        drop(open(&path).unwrap());
        open(&path)
            .unwrap()
            .execute_batch("INSERT INTO snapshots SELECT 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17")
            .unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused_by_name_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.db");
        let connection = open(&path).unwrap();
        connection.pragma_update(None, "user_version", 999).unwrap();
        drop(connection);
        let refused = open(&path).unwrap_err();
        assert!(
            matches!(refused, StoreError::Version { found: 999, .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("runner.db"));
        assert!(refused.to_string().contains("999"));
    }

    #[test]
    fn events_that_an_older_version_queued_are_there_after_the_file_is_brought_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.db");
        let older = older(&path, 3);
        older
            .execute_batch(
                "INSERT INTO functions VALUES ('f', 1, 2);
                 INSERT INTO function_versions VALUES ('f', 1, '{}', 'c', 1, 't', 1);
                 INSERT INTO function_events (id, function, key, event, state, attempts, due_at_ms, created_at_ms)
                 VALUES ('a', 'f', '', x'01', 'queued', 0, 5, 5), ('b', 'f', '', x'02', 'dead', 3, 4, 4);",
            )
            .unwrap();
        drop(older);
        let count = |what: &str| -> u32 {
            let query = format!("SELECT count(*) FROM {what}");
            let connection = open(&path).unwrap();
            connection.query_row(&query, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(
            count("function_events WHERE state = 'queued' AND event = x'01'"),
            1
        );
        assert_eq!(count("function_events WHERE event_bytes = 1"), 2);
        assert_eq!(count("function_versions WHERE image_digest = ''"), 1);
    }
}
