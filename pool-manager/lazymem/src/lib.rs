//! Template memory: frozen guest memory in a file, and the one copy of it that a node's clones share.
//!
//! Who owns what:
//! - A [`PageSource`] owns an open file of frozen memory. It reads, it verifies, it never writes.
//!   [`SparseWriter`] makes such a file at the bake.
//! - A [`TemplateMemory`] owns one memfd and the only mapping that can write it. It is sealed before
//!   anybody else sees the descriptor, so a guest that breaks out of its VMM can't change what its
//!   neighbours read. Which chunks are filled is known to it alone.
//! - A [`PageServer`] owns two threads that answer the faults of clones whose template is not yet
//!   whole, and make it whole. An [`AttachedClone`] owns one clone's userfaultfd.
//! - A [`PageService`] owns a node's page server and starts another one when it is lost. A
//!   [`ServedClone`] is a clone of its.
//! - A [`GuestMemory`] is a look at a running VMM's memory from outside and owns nothing; the
//!   [`Delta`] that it takes owns a copy of what the guest wrote.
//! - A VMM owns its private mapping of the memfd. Once the template is whole, that mapping needs
//!   nobody any more.

mod chunks;
mod dirty;
mod extent;
mod handshake;
mod probe;
mod server;
mod shim_setup;
mod source;
mod sys;
mod template;
mod working_set;

pub use dirty::{Delta, DeltaError, DirtyError, GuestMemory, open_own_memory};
pub use extent::{CHUNK_BYTES, Extent, PAGE_BYTES};
pub use handshake::{Arrival, HandshakeError, Region};
pub use probe::{
    Abilities, Ability, ChoiceCause, MemoryChoice, MemoryConfig, MemoryMode, UffdNotPermitted,
    probe,
};
pub use server::{
    AttachError, AttachedClone, Memory, PageServer, PageService, QueueFull, Recording, ServeError,
    ServedClone,
};
pub use shim_setup::{SHIM_DESCRIPTORS, ShimSetup, ShimSetupError};
pub use source::{
    CompressedSource, CompressedWriter, PageSource, PlainSource, SourceError, SparseWriter,
    WriteError, Written,
};
pub use template::{FillError, MemoryError, TemplateMemory};
pub use working_set::{BadWorkingSet, Staleness, WorkingSet};
