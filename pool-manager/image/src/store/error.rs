//! Why the store could not do what it was asked.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;

/// A fault of the store's files.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("cannot {attempt} {}", path.display())]
    Io {
        /// What was tried.
        attempt: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Written by another release.
    #[error("{} is of version {found}, this Thaw knows version {known}; use the release that wrote it, or remove the image", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// Not what Thaw writes.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A folder whose manifest is of another image.
    #[error("{} does not hold the image that its name says", path.display())]
    Misplaced {
        /// The folder.
        path: PathBuf,
    },
    /// A root filesystem that is not as long as it was.
    #[error("{} has {found} bytes instead of {expected}: it is damaged; remove the folder {} and add the image again", path.display(), path.parent().unwrap_or(path).display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// In the manifest.
        expected: u64,
        /// On disk.
        found: u64,
    },
    /// A document that cannot be written down. Never seen.
    #[error("encoding a manifest")]
    Encode(#[source] serde_json::Error),
}

/// Why an image was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is none.
    #[error("there is no image {0:?}")]
    NotFound(String),
    /// Templates or VMs need it.
    #[error("image {digest} is in use by {users} templates or VMs; remove those first")]
    InUse {
        /// The image.
        digest: Digest,
        /// How many hold it.
        users: usize,
    },
    /// A file could not be changed.
    #[error("removing the image")]
    Store(#[from] StoreError),
}

/// Names the attempt and the path of an I/O error.
pub(crate) fn io_error(
    attempt: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.into();
    move |source| StoreError::Io {
        attempt,
        path,
        source,
    }
}
