//! What a pool does next, decided without I/O or a clock.
//!
//! ```text
//! spawn ─► Spawning ─► Shell ─start─► Restoring ─► Restored ─┬─ a caller waits ──► handed out
//!                                                            ├─ wanted ─► Proving ─► Proven ─┬─ a caller waits ─► handed out
//!                                                            │                               └─► Parked ─► handed out | discarded
//!                                                            └─ not wanted ─► discarded
//! in every phase: the VMM ends, or the step fails ─► forgotten; failed steps hold up the next ones (breaker)
//! ```
//!
//! Facts come in through the methods of [`Policy`]; [`Policy::decide`] draws the conclusions.

mod breaker;
mod decide;
mod demand;
#[cfg(test)]
mod properties;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use state::{Action, Policy, Refusal, Rules, VmmKey, WaiterKey};
