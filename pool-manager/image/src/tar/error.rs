//! Why a tar stream cannot be read.

use std::io;

/// A fault in a tar stream.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream could not be read.
    #[error("reading the tar")]
    Read(#[from] io::Error),
    /// It ended too early.
    #[error("the tar ends in the middle of an entry: it is truncated")]
    Truncated,
    /// It ended cleanly but without its end mark, and nothing else vouches for it.
    #[error("the tar has no end mark: it is truncated")]
    NoEndMark,
    /// A header is not a header.
    #[error(
        "at byte {offset} there is no tar header (wrong checksum): this is not a tar, or it is damaged"
    )]
    BadHeader {
        /// Where in the (decompressed) tar.
        offset: u64,
    },
    /// A header's field makes no sense.
    #[error("the tar header at byte {offset} has an invalid {field}")]
    BadField {
        /// Where in the (decompressed) tar.
        offset: u64,
        /// Which field.
        field: &'static str,
    },
    /// Extended headers larger than any name or attribute needs.
    #[error("the extended header at byte {offset} is larger than {limit} bytes")]
    ExtensionTooLarge {
        /// Where in the (decompressed) tar.
        offset: u64,
        /// The bound.
        limit: u64,
    },
    /// An entry type that no root filesystem holds.
    #[error("the tar entry at byte {offset} has the unsupported type {kind:?}")]
    UnsupportedType {
        /// Where in the (decompressed) tar.
        offset: u64,
        /// The type's letter.
        kind: char,
    },
}
