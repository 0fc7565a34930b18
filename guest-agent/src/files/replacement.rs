//! A file that takes the place of another in one step.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Distinguishes what is being written at the same time.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file that is being written beside its place. Dropped before it is put there, it is removed.
#[derive(Debug)]
pub(super) struct Replacement {
    file: File,
    /// `None` once it is in its place.
    beside: Option<PathBuf>,
}

impl Replacement {
    /// Makes an empty file in the folder of `place`, readable by nobody else until it is whole.
    ///
    /// # Errors
    /// What open(2) says.
    pub(super) fn beside(place: &Path) -> io::Result<Self> {
        let folder = place.parent().unwrap_or(Path::new("/"));
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let beside = folder.join(format!(".thaw-{number}.part"));
            let opened = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&beside);
            match opened {
                Ok(file) => {
                    return Ok(Self {
                        file,
                        beside: Some(beside),
                    });
                }
                // Left behind by a machine that was frozen or ended in the middle.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where to write.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the file in its place with these permissions, whatever lies there.
    ///
    /// # Errors
    /// What chmod(2) and rename(2) say.
    pub(super) fn put(mut self, place: &Path, mode: u32) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))?;
        if let Some(beside) = &self.beside {
            fs::rename(beside, place)?;
            self.beside = None;
        }
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // Nobody is left to be told.
            let _ = fs::remove_file(beside);
        }
    }
}
