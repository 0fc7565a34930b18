//! What can go wrong with a clone that is served.

use std::{io, sync::Arc};

use nix::errno::Errno;

use crate::{FillError, SourceError};

/// A clone that the page server can't bring to independence. It must be ended: its faults wait.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The template's memory could not be filled.
    #[error("could not fill the template's memory")]
    Fill(#[source] Arc<FillError>),
    /// The pages of a clone with memory of its own could not be read.
    #[error("could not read the template's memory")]
    Source(#[source] Arc<SourceError>),
    /// The kernel refused to put pages into the clone.
    #[error("could not {attempt} a clone's pages")]
    Kernel {
        /// What was tried.
        attempt: &'static str,
        /// Why it failed.
        #[source]
        errno: Errno,
    },
    /// The clone faulted outside of its regions.
    #[error("a clone faulted at {0:#x}, outside of the regions that it gave")]
    Stray(u64),
    /// The process ended.
    #[error("the clone's process is gone")]
    Gone,
    /// The page server's thread ended; another one can take the clone over.
    #[error("the page server was lost")]
    ServerLost,
}

/// A clone that could not be taken on. Its faults wait.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// As many clones as the server has room for.
    #[error("the page server has no room for more than {0} clones that are not independent")]
    Full(usize),
    /// A region reaches past the end of the template's memory.
    #[error("a clone's region ends at {end} of a memory of {len} bytes")]
    Region {
        /// The region's end in the guest's memory.
        end: u64,
        /// The length of the memory.
        len: u64,
    },
    /// The server's thread ended.
    #[error("the page server was lost")]
    ServerLost,
    /// The kernel refused.
    #[error("could not watch a clone's userfaultfd")]
    Io(#[from] io::Error),
}

/// Too many completions are waiting; ask again when one is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many templates wait to be completed")]
pub struct QueueFull;
