//! Why code is not taken.

use std::io;

use thiserror::Error;

/// An archive that is refused, or could not be kept.
#[derive(Debug, Error)]
pub enum CodeError {
    /// It is larger than it may be.
    #[error("the archive has more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Its files are larger than they may be; what it says of itself is not believed.
    #[error("the archive unpacks to more than {limit} bytes")]
    Bomb {
        /// The limit.
        limit: u64,
    },
    /// It holds too much.
    #[error("the archive holds more than {limit} files, folders and links")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// It holds nothing.
    #[error("the archive holds no file")]
    Empty,
    /// It is no zip, tar or tar.gz.
    #[error("the code is no zip, tar or tar.gz archive")]
    UnknownFormat,
    /// It is damaged, or uses what is not supported.
    #[error("the {format} archive can't be read: {reason}")]
    Damaged {
        /// `zip`, `tar` or `tar.gz`.
        format: &'static str,
        /// Why.
        reason: String,
    },
    /// A path that leaves the code's folder, or is no path.
    #[error("the archive holds {path:?}, which {problem}")]
    BadPath {
        /// The path as it is in the archive.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A device, pipe or hard link.
    #[error("the archive holds {path:?}, which is neither a file, a folder nor a symbolic link")]
    BadKind {
        /// The path.
        path: String,
    },
    /// It could not be written or read.
    #[error("could not {attempt} the function's code")]
    Io {
        /// What was tried.
        attempt: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl CodeError {
    pub(super) fn io(attempt: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { attempt, source }
    }
}
