//! The file itself.

use std::{
    fs::{OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{Admin, ApiDbError, schema};

/// How long a write waits for another program's.
const BUSY: Duration = Duration::from_secs(5);

/// `api.db` of one storage root. Its calls block; the daemon makes them from a thread of their own.
#[derive(Debug)]
pub struct ApiDb {
    pub(super) connection: Connection,
    /// What the admin's row said when `data_version` was this.
    pub(super) remembered: Option<(i64, Option<Admin>)>,
    pub(super) audited: u64,
    /// When it was last told that the use of a key can't be noted, in seconds since 1970-01-01 UTC.
    pub(super) unnoted_use_at: Option<u64>,
}

impl ApiDb {
    /// Opens `api.db` in a storage root that is there; the file is made where it is missing, for its owner only.
    ///
    /// # Errors
    /// See [`ApiDbError`]; a file that a newer program wrote is refused and not touched.
    pub fn open(storage_root: &Path) -> Result<Self, ApiDbError> {
        let path = storage_root.join("api.db");
        keep_from_others(storage_root, &path).map_err(|source| ApiDbError::File {
            path: path.clone(),
            source,
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(BUSY)?;
        let found = schema::version(&connection)?;
        if found > schema::VERSION {
            return Err(ApiDbError::Newer {
                path,
                found,
                known: schema::VERSION,
            });
        }
        connection.pragma_update(None, "journal_mode", "wal")?;
        // What is deleted or replaced is overwritten: it may be a hash without salt.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "synchronous", "normal")?;
        if found < schema::VERSION {
            schema::migrate(&mut connection)?;
        }
        Ok(Self {
            connection,
            remembered: None,
            audited: 0,
            unnoted_use_at: None,
        })
    }

    /// Writes what is in the write-ahead log into the file itself, so that what was overwritten is gone.
    ///
    /// # Errors
    /// See [`ApiDbError`].
    pub fn checkpoint(&mut self) -> Result<(), ApiDbError> {
        let done = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        Ok(done?)
    }

    /// Does something that must survive a loss of power once it was acknowledged.
    pub(super) fn durably<T, E: From<rusqlite::Error>>(
        &mut self,
        change: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.remembered = None;
        self.connection.pragma_update(None, "synchronous", "full")?;
        let done = (|| {
            let immediate = rusqlite::TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(immediate)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })();
        self.connection
            .pragma_update(None, "synchronous", "normal")?;
        done
    }
}

/// SQLite gives the files beside it (`-wal`, `-shm`) the same mode and owner.
fn keep_from_others(root: &Path, path: &Path) -> io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        // `thaw auth` may run as root on the storage root of another user, whose daemon must be able to read it.
        Ok(file) => {
            let (owner, of_file) = (root.metadata()?, file.metadata()?);
            if owner.uid() != of_file.uid() {
                fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(path, Permissions::from_mode(0o600))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_its_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("api.db");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let _db = ApiDb::open(root.path()).unwrap();
        for entry in root.path().read_dir().unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        }
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused_by_name_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let db = ApiDb::open(root.path()).unwrap();
        db.connection
            .pragma_update(None, "user_version", 99)
            .unwrap();
        drop(db);
        let error = ApiDb::open(root.path()).unwrap_err();
        assert!(
            matches!(error, ApiDbError::Newer { found: 99, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("api.db is of version 99"));
    }
}
