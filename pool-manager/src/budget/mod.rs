//! The room that a node has for VMMs, and who is asked to give some up.
//!
//! ```text
//! take ─┬─ there is room, and nobody who waits was promised it ─► slot ─dropped─► free again
//!       └─ there is none ─► a need: spares of others are asked for, the least valuable first, if they suffice
//! spare ─asked─► given up ─► its room is promised to the need
//!         └─ leased meanwhile ─► the next one is asked for
//! ```
//!
//! Members (pools, and whoever boots or bakes a VM) report what they could spare and what they need; [`room`]
//! decides. So no bound is ever exceeded, what is needed by somebody who waits comes before stocking up, and
//! a clone that is used often outlives one that is not.

mod room;
mod shared;
mod worth;

pub(crate) use room::{Amount, NoRoom, Room};
pub(crate) use shared::{Budget, Member, Report, Slot};
pub(crate) use worth::Worth;
