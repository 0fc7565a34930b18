//! Why layers do not make a root filesystem.

use std::io;

use crate::digest::Digest;
use crate::tar::TarError;

/// A fault in a layer, or in applying it.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The tar is at fault.
    #[error("reading layer {layer}")]
    Tar {
        /// Which, from 1.
        layer: usize,
        /// What is wrong.
        #[source]
        source: TarError,
    },
    /// Spooling failed: reading, writing, or the compressed stream is damaged.
    #[error("unpacking layer {layer}")]
    Spool {
        /// Which, from 1.
        layer: usize,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The compressed stream is cut off or damaged.
    #[error("layer {layer} is truncated or damaged")]
    Damaged {
        /// Which, from 1.
        layer: usize,
        /// What the decompressor said.
        #[source]
        source: io::Error,
    },
    /// The layer is not what its image says.
    #[error("layer {layer} hashes to {found}, its image says {expected}")]
    DigestMismatch {
        /// Which, from 1.
        layer: usize,
        /// What the image says.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// More bytes than allowed.
    #[error("the image unpacks to more than {limit} bytes (max_root_bytes)")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// More entries than allowed.
    #[error("the image has more than {limit} entries (max_entries)")]
    TooManyEntries {
        /// The bound.
        limit: u64,
    },
    /// More names, link targets and attributes than Thaw holds in memory.
    #[error("the image's names and attributes take more than {limit} bytes")]
    TooMuchMetadata {
        /// The bound.
        limit: u64,
    },
    /// A name that Linux has no room for.
    #[error(
        "layer {layer} has a path or link target that is too long, empty, or holds a NUL: {path}"
    )]
    BadPath {
        /// Which, from 1.
        layer: usize,
        /// Its beginning, for people.
        path: String,
    },
    /// A circle of symbolic links.
    #[error("layer {layer} puts {path} below a chain of more than 40 symbolic links")]
    TooManyLinks {
        /// Which, from 1.
        layer: usize,
        /// The path.
        path: String,
    },
    /// A hard link to nothing, or to a directory.
    #[error("layer {layer} links {path} to {target}, which is not a file in the image")]
    BadHardLink {
        /// Which, from 1.
        layer: usize,
        /// The new name.
        path: String,
        /// What it should name.
        target: String,
    },
    /// The caller went away.
    #[error("cancelled")]
    Cancelled,
}

/// Bytes of an image for a message: lossy and short.
pub(crate) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
