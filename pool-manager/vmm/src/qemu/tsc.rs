//! How fast the host's time stamp counter runs.
//!
//! Under emulation a guest sees the host's counter, and its kernel measures it against the emulated
//! PIT. On a busy host that measurement fails at random and the boot then hangs, so the guest is told.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::sys;

/// The counter and the clock, read together.
#[derive(Debug, Clone, Copy)]
pub(super) struct TscSample {
    ticks: u64,
    clock: Duration,
}

impl TscSample {
    pub(super) fn now() -> std::io::Result<Self> {
        Ok(Self {
            ticks: sys::time_stamp_counter(),
            clock: clock_gettime(ClockId::CLOCK_MONOTONIC_RAW)?.into(),
        })
    }

    /// Kilohertz between an earlier sample and this one; some tens of milliseconds apart they are
    /// exact to a few parts in 100,000.
    pub(super) fn khz_since(self, earlier: Self) -> u64 {
        let nanos = (self.clock.saturating_sub(earlier.clock)).as_nanos().max(1);
        let ticks = u128::from(self.ticks.saturating_sub(earlier.ticks));
        u64::try_from(ticks * 1_000_000 / nanos).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_in_a_millisecond_are_kilohertz() {
        let at = |ticks, millis| TscSample {
            ticks,
            clock: Duration::from_millis(millis),
        };
        assert_eq!(at(5_000_000, 3).khz_since(at(1_000_000, 1)), 2_000_000);
    }
}
