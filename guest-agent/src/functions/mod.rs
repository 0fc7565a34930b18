//! Functions: code that is loaded once, before the freeze, and then given events.
//!
//! ```text
//! LoadFunction ─► code folder ─► process ─► initialised ─► warmed ─► loaded      (the host freezes here)
//!     └─ bad archive ─► Failed      └─ it fails, ends or takes too long ─► Exit, not 0
//!
//! loaded ──Invoke──► busy ──returned, raised──► loaded
//!                      └─ time is up, ended, too large, the host is gone ─► killed; nothing is loaded
//! ```
//!
//! The process that was initialised belongs to one event at a time. What it prints between two events
//! waits in its pipes and is part of the next one's log.

mod attend;
mod code_folder;
mod command;
mod http;
mod http_hook;
mod invoke;
mod lambda;
mod load;
mod loaded;
mod memory;
mod message;
mod resident;
mod starting;

pub(crate) use invoke::invoke;
pub(crate) use load::load;
pub(crate) use loaded::Functions;
