//! Opening the file, and using it away from the threads that serve.

use std::{
    fs::{OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, TransactionBehavior};
use thiserror::Error;

use super::schema::MIGRATIONS;
use crate::{blocking::blocking, reserve::try_to_reserve_room};

/// The node's database can't be opened, read or written.
#[derive(Debug, Error)]
pub enum NodeDbError {
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
    #[error("could not {attempt} the node's database")]
    Database {
        /// What was tried.
        attempt: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

impl NodeDbError {
    pub(super) fn of(attempt: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Database { attempt, source }
    }
}

/// The database. Cheap to clone; all clones share one connection, and each call is one transaction.
#[derive(Debug, Clone)]
pub(crate) struct NodeDb(Arc<Mutex<Connection>>);

impl NodeDb {
    /// Opens the file, makes it (0600) where it is missing, and brings it to the newest version.
    ///
    /// # Errors
    /// [`NodeDbError::Version`] for a file of a newer Thaw, which is left as it is.
    pub(crate) fn open(path: &Path) -> Result<Self, NodeDbError> {
        // SQLite gives its journal the mode of the file itself, so nobody else reads any of it.
        make_private(path).map_err(|source| NodeDbError::File {
            path: path.to_owned(),
            source,
        })?;
        let mut connection = Connection::open(path).map_err(NodeDbError::of("open"))?;
        migrate(&mut connection, path)?;
        let set = |name, value: &str| connection.pragma_update(None, name, value);
        set("journal_mode", "WAL")
            .and_then(|()| set("synchronous", "FULL"))
            .map_err(NodeDbError::of("set up"))?;
        try_to_reserve_room(&connection, "node.db");
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Does something with the connection.
    ///
    /// # Cancel safety
    /// What has begun is carried to its end.
    pub(super) async fn with<T, W>(&self, attempt: &'static str, work: W) -> Result<T, NodeDbError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let connection = Arc::clone(&self.0);
        blocking(move || {
            // A panic rolls its transaction back, so the connection is as sound as before.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection).map_err(NodeDbError::of(attempt))
        })
        .await
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), NodeDbError> {
    let failed = NodeDbError::of("migrate");
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(&failed)?;
    let version: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(&failed)?;
    let applied = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(applied..) else {
        return Err(NodeDbError::Version {
            path: path.to_owned(),
            found: version,
            known: MIGRATIONS.len(),
        });
    };
    for migration in missing {
        transaction.execute_batch(migration).map_err(&failed)?;
    }
    transaction
        .pragma_update(None, "user_version", MIGRATIONS.len() as i64)
        .map_err(&failed)?;
    transaction.commit().map_err(&failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_and_its_journal_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.db");
        let db = NodeDb::open(&path).unwrap();
        db.with("write", |connection| {
            connection.execute_batch("CREATE TABLE any (any)")
        })
        .await
        .unwrap();
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(files.len() > 1, "{files:?}");
        for file in files {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused_by_name_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 999).unwrap();
        drop(connection);
        for _ in 0..2 {
            let refused = NodeDb::open(&path).unwrap_err();
            assert!(
                matches!(refused, NodeDbError::Version { found: 999, .. }),
                "{refused:?}"
            );
            let text = refused.to_string();
            assert!(text.contains("node.db") && text.contains("999"), "{text}");
        }
    }
}
