//! The page server: answers the faults of clones whose template is not yet whole.
//!
//! ```text
//! arrival --attach--> served --template whole--> independent     (unregistered, the kernel alone)
//!                       |  ^
//!                       |  +--take_over-- server lost (its thread panicked): faults wait
//!                       +--> failed      (a bad chunk, no memory, the process gone): faults wait
//! ```
//!
//! A clone that can't be served never reads a wrong page: its fault stays unanswered, and
//! [`AttachedClone::independent`] tells whoever must end it.

mod attach;
mod client;
mod completion;
mod error;
mod faults;
mod service;
mod shared;

pub use attach::{AttachedClone, PageServer};
pub use client::{Memory, Recording};
pub use error::{AttachError, QueueFull, ServeError};
pub use service::{PageService, ServedClone};
