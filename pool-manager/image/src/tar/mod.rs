//! Tar streams: read without touching a path, written for the squashfs builder.
//!
//! Thaw reads tar itself because it needs three things at once: where a file's bytes lie (they are never unpacked), extended
//! attributes whose binary values hold newlines, and names that are not UTF-8.
//! Formats: POSIX.1-2008 `pax` (`ustar` with `x` and `g` records) and what GNU tar and libarchive add to it.

mod entry;
mod error;
mod header;
mod pax;
mod reader;
mod span;
mod sparse;
mod writer;

pub(crate) use entry::{Content, Entry, Kind, Meta, Xattr};
pub use error::TarError;
pub(crate) use reader::{EndOfArchive, TarReader};
pub(crate) use span::Span;
pub(crate) use writer::TarWriter;
