//! Rest: every program stands still while its machine is paused, copied, or about to go on as another one.
//!
//! ```text
//! running ──quiesce: no program starts, all are frozen──► at rest ──continue──► running
//!               └── one can't be frozen in time ─► all go on, Failed
//! at rest, the connection ends: the programs are kept, for the host went on with another copy of them
//! ```
//!
//! A machine that is stopped in the middle of a program goes on in the middle of it, in every clone
//! that was made of it; only a program at rest can be kept from drawing the random numbers that another
//! clone draws as well. Interrupted by the freezer, a read of /dev/urandom ends short, and the next one
//! begins with the generator as it was put right.

mod freezer;
mod gate;

pub(crate) use freezer::Freezer;
pub(crate) use gate::{Rest, Starting};
