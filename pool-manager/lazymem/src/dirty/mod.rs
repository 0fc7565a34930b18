//! What a running clone wrote: found, read, stored, and written into another clone.
//!
//! A clone's dirty pages are the private pages of its mapping. They are always the whole difference
//! to its template, so a fork of a fork is a template and one delta too. The clone must not run
//! while it is read: stop it, take the delta, let it go on.

mod delta;
mod given;
mod memory;
mod own;
mod process;

pub use delta::{Delta, DeltaError};
pub use given::open_own_memory;
pub use memory::{DirtyError, GuestMemory};
