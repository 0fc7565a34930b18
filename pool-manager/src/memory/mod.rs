//! Guest memory: how a template's pages get to its clones.
//!
//! ```text
//! memory.bin ─► TemplatePages ─┬─ Shared: one memfd per template, empty at first
//!                              │     not whole: Lazy   ─► PageService answers faults ─► whole
//!                              │     whole:     Whole  ─► the kernel alone
//!                              └─ File: the file itself, where userfaultfd is not permitted
//!
//! bake: two trials, recorded ─► what both touched ─► working-set.json ─► mapped in bulk before a restore
//!          ▲                                                                   │
//!          └── 20 restores that mostly fault outside of it ◄── restores.json ◄─┘
//! ```
//!
//! A clone that is served is not to be promised to a user: whoever does waits for
//! [`ServedClone::independent`](thaw_lazymem::ServedClone::independent) first. That of a parked clone
//! was waited for before it was parked.

mod history;
mod pages;
mod provide;
mod setup;
mod watch;
mod working_set;

pub use history::RestoreFaults;
pub(crate) use pages::{PagesError, TemplatePages};
pub(crate) use provide::{Provided, provide};
pub(crate) use setup::NodeMemory;
pub use setup::{MemorySetup, TemplateFormat};
pub(crate) use watch::{condemns, note_restore, served, watch_leased};
pub(crate) use working_set::WorkingSets;
