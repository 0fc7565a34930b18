//! What a simulation counts.

use std::time::Duration;

/// What became of the calls, and what it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SimulatedFigures {
    /// Calls.
    pub calls: u64,
    /// Those that got a parked clone.
    pub warm: u64,
    /// Those that waited for a restore.
    pub cold: u64,
    /// Those that were refused.
    pub refused: u64,
    /// How long the cold ones waited, together.
    pub waited: Duration,
    /// VMMs that were ended without a use, shells included.
    pub wasted: u64,
    /// Memory of clones that were parked or on their way there, over time: MiB times seconds. Each counts with
    /// all that its machine has.
    pub idle_mib_s: f64,
    /// The most memory that was taken at once, in MiB.
    pub peak_mib: u64,
}

impl SimulatedFigures {
    /// The part of the calls that was not served by a parked clone, refused ones included.
    pub fn cold_share(&self) -> f64 {
        (self.cold + self.refused) as f64 / self.calls.max(1) as f64
    }

    /// Memory of clones that nobody used, over time, in GiB times hours.
    pub fn idle_gib_h(&self) -> f64 {
        self.idle_mib_s / 1024.0 / 3600.0
    }
}
