//! What it is worth to keep a clone that nobody uses.

use std::cmp::Ordering;

/// How much a spare is worth; the least valuable one is given up first.
///
/// It follows what caches call GreedyDual-Size-Frequency, and FaasCache (ASPLOS 2021) tried with functions: uses
/// per second, times what a use costs without it, by what it occupies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Worth {
    /// It belongs to the number that its pool keeps whatever the demand.
    promised: bool,
    /// Seconds of waiting that it saves, per second and MiB.
    saves: f64,
}

impl Worth {
    /// That of a shell: it holds nothing, and is there again soon.
    pub(crate) const NOTHING: Self = Self {
        promised: false,
        saves: 0.0,
    };

    /// That of the `nth` parked clone of a pool, from 1, of which `min` are kept whatever the demand.
    pub(crate) fn of_parked(
        nth: u32,
        min: u32,
        leases_per_s: f64,
        seconds_to_park: f64,
        memory_mib: u32,
    ) -> Self {
        Self {
            promised: nth <= min,
            saves: leases_per_s * seconds_to_park
                / f64::from(nth.max(1))
                / f64::from(memory_mib.max(1)),
        }
    }
}

impl Eq for Worth {}

impl PartialOrd for Worth {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Worth {
    fn cmp(&self, other: &Self) -> Ordering {
        self.promised
            .cmp(&other.promised)
            .then(self.saves.total_cmp(&other.saves))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_often_small_or_promised_is_worth_more() {
        let busy = Worth::of_parked(1, 0, 2.0, 0.3, 256);
        assert!(busy > Worth::of_parked(1, 0, 1.0, 0.3, 256));
        assert!(busy > Worth::of_parked(2, 0, 2.0, 0.3, 256));
        assert!(busy > Worth::of_parked(1, 0, 2.0, 0.3, 512));
        assert!(busy > Worth::NOTHING);
        let promised = Worth::of_parked(1, 1, 0.0, 0.3, 256);
        assert!(promised > busy);
        assert!(Worth::of_parked(2, 1, 0.0, 0.3, 256) < busy);
    }
}
