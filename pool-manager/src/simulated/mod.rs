//! A node in simulated time: the real policy of pools and the real book of room, with VMMs that only take time.
//!
//! ```text
//! call ─► Policy ─► actions ─┬─ a step ─► the gate ─► after so long: done ─► Policy …
//!                            └─ handed out ─► leased for as long as the call says ─► its room is free again
//! ```
//!
//! For simulations of demand over days. Nothing here starts a process or looks at a clock, and the same calls
//! give the same figures.

mod figures;
mod gate;
mod node;
mod pool;

pub use figures::SimulatedFigures;
pub use node::{SimulatedCall, SimulatedNode};

use std::time::Duration;

/// How long things take on the node.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedTimes {
    /// To spawn a shell.
    pub spawn: Duration,
    /// To restore a template into it.
    pub restore: Duration,
    /// To take the clone through the path of an event once.
    pub proof: Duration,
}
