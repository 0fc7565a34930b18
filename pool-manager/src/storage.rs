//! The storage root: one daemon, one folder for each kind of thing.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    time::Duration,
};

use thiserror::Error;

/// How long a process that is about to run its program may hold on to what it has inherited.
const LET_GO: Duration = Duration::from_secs(2);

/// Makes a storage root for its owner alone (0700), where it is missing. One that is there stays as it is.
///
/// # Errors
/// [`StorageError::Io`].
pub fn make_root(root: &Path) -> Result<(), StorageError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(root);
    made.map_err(|source| StorageError::Io {
        path: root.to_owned(),
        source,
    })
}

/// The storage root can't be used.
#[derive(Debug, Error)]
pub enum StorageError {
    /// Another daemon uses it.
    #[error(
        "another Thaw uses the storage root {0}; stop it, or choose another one with --storage"
    )]
    Taken(PathBuf),
    /// It can't be made or opened.
    #[error("could not open the storage root {path}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The storage root, held for as long as this lives. The kernel lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct StorageLock {
    root: PathBuf,
    _file: File,
}

impl StorageLock {
    /// Makes the root (0700) where it is missing and takes it. Blocks for up to 2 seconds.
    ///
    /// # Errors
    /// [`StorageError::Taken`] when another process has it.
    pub fn take(root: &Path) -> Result<Self, StorageError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StorageError::Io { path, source }
        };
        make_root(root)?;
        let path = root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path))?;
        let file = match file.try_lock() {
            Ok(()) => file,
            Err(TryLockError::WouldBlock) => wait_for(file)
                .map_err(failed(&path))?
                .ok_or_else(|| StorageError::Taken(root.to_owned()))?,
            Err(TryLockError::Error(source)) => return Err(failed(&path)(source)),
        };
        Ok(Self {
            root: root.to_owned(),
            _file: file,
        })
    }

    /// The storage root.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Waits for the lock. A daemon that was killed while it started a program has left it to that program, until
/// the program runs.
fn wait_for(file: File) -> io::Result<Option<File>> {
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new()
        .name("storage-lock".to_owned())
        .spawn(move || {
            let locked = file.lock().map(|()| file);
            // When nobody waits any more, the lock goes with the file.
            let _ = sender.send(locked);
        })?;
    receiver.recv_timeout(LET_GO).ok().transpose()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_root_that_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("deep/root");
        make_root(&root).unwrap();
        let mode = std::fs::metadata(&root).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        // Made already, it is taken as it is.
        drop(StorageLock::take(&root).unwrap());
    }

    #[test]
    fn a_root_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = StorageLock::take(folder.path()).unwrap();
        let refused = StorageLock::take(folder.path()).unwrap_err();
        assert!(matches!(refused, StorageError::Taken(_)));
        drop(first);
        StorageLock::take(folder.path()).unwrap();
    }
}
