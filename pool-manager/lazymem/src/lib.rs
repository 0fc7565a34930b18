//! Template memory: frozen guest memory in a file, and the one copy of it that a node's clones share.
//!
//! Who owns what:
//! - A [`PageSource`] owns an open file of frozen memory. It reads, it verifies, it never writes.
//!   [`SparseWriter`] makes such a file at the bake.
//! - A [`TemplateMemory`] owns one memfd and the only mapping that can write it. It is sealed before
//!   anybody else sees the descriptor, so a guest that breaks out of its VMM can't change what its
//!   neighbours read. Which chunks are filled is known to it alone.
//! - A VMM owns its private mapping of the memfd. Once the template is whole, that mapping needs
//!   nobody any more.

mod chunks;
mod extent;
mod source;
mod sys;
mod template;

pub use extent::{CHUNK_BYTES, Extent, PAGE_BYTES};
pub use source::{PageSource, PlainSource, SourceError, SparseWriter, WriteError, Written};
pub use template::{FillError, MemoryError, TemplateMemory};
