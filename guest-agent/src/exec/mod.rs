//! Running a program: finding it, its streams, and the one loop that attends to it.
//!
//! ```text
//! Exec ──resolve──► Launch ──start──► Running ──conduct──► Exit
//!    └─ no such user, bad request ─► Failed  │
//!                 └─ not found, bad cwd ─► Failed
//!                                            └─ host gone ─► group killed, or kept, nothing sent
//! ```

mod custody;
mod inlet;
mod program;
mod request;
mod run;
mod streams;
mod sys;
mod tap;
mod user;

pub(crate) use custody::{Custody, Keeper, LastWill};
pub(crate) use inlet::Inlet;
pub(crate) use program::resolve;
pub(crate) use request::{Started, exec, start_apart};
pub(crate) use run::{Limits, Running, Subject};
pub(crate) use streams::{Streams, null};
pub(crate) use tap::{Leftovers, Tap, scratch};
