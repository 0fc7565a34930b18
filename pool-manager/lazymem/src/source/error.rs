//! What can be wrong with a file of frozen memory.

use std::io;

/// Frozen memory that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused.
    #[error("could not {what} of the template's memory")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file does not begin like frozen memory.
    #[error("the file is not frozen memory of a template")]
    NotMemory,
    /// Written by a version that this one does not know.
    #[error("the template's memory has format version {found}, and this program reads {known}")]
    Version {
        /// The version in the file.
        found: u32,
        /// The version that is understood.
        known: u32,
    },
    /// The file is shorter than it says.
    #[error("the template's memory is cut short: {found} bytes of {expected}")]
    Truncated {
        /// The length that its header promises.
        expected: u64,
        /// The length that there is.
        found: u64,
    },
    /// The header or the table of chunks is damaged.
    #[error("the template's memory has a damaged {what}")]
    Damaged {
        /// Which part.
        what: &'static str,
    },
    /// A chunk is not what was written.
    #[error("chunk {chunk} of the template's memory fails its checksum")]
    Checksum {
        /// Its number, in [`CHUNK_BYTES`](crate::CHUNK_BYTES) from the start.
        chunk: u64,
    },
    /// Asked for memory that the guest does not have.
    #[error("{len} bytes at {offset} are not inside the template's memory")]
    OutOfRange {
        /// Where the range starts.
        offset: u64,
        /// How long it is.
        len: u64,
    },
}

impl SourceError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// Frozen memory that could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The operating system refused.
    #[error("could not {what} of the template's memory")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A length that no guest has.
    #[error("a guest's memory of {0} bytes can't be stored: whole pages, at most 1 TiB")]
    Length(u64),
}

impl WriteError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
