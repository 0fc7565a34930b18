//! What can go wrong with `api.db`.

use std::{io, path::PathBuf};

use thiserror::Error;

/// `api.db` can't be used.
#[derive(Debug, Error)]
pub enum ApiDbError {
    /// The file can't be made, or not kept from others.
    #[error("could not open {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A newer Thaw wrote it.
    #[error(
        "{path} is of version {found} and this thaw knows versions up to {known}; use the newer thaw that wrote it"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// SQLite refused.
    #[error("api.db could not be read or written")]
    Sql(#[from] rusqlite::Error),
    /// The kernel gave no random bytes.
    #[error("no random bytes were to be had")]
    Random(#[from] getrandom::Error),
    /// The thread that owns the database has ended.
    #[error("api.db is closed")]
    Closed,
}
