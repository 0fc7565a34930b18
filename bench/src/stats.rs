//! Latencies as percentiles.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

/// A growing set of latencies.
#[derive(Debug)]
pub(crate) struct Samples(Histogram<u64>);

/// What is reported of a set of latencies, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Latency {
    /// How many there were.
    pub(crate) samples: u64,
    /// The median.
    pub(crate) p50_us: u64,
    /// 95 of 100 were faster.
    pub(crate) p95_us: u64,
    /// 99 of 100 were faster.
    pub(crate) p99_us: u64,
    /// The slowest.
    pub(crate) max_us: u64,
}

impl Samples {
    /// An empty set of latencies of up to an hour; three significant digits are kept.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_max(3_600_000_000, 3)?))
    }

    /// Adds one.
    pub(crate) fn add(&mut self, latency: Duration) {
        self.add_us(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds one, in microseconds.
    pub(crate) fn add_us(&mut self, latency_us: u64) {
        self.0.saturating_record(latency_us);
    }

    /// The percentiles.
    pub(crate) fn latency(&self) -> Latency {
        Latency {
            samples: self.0.len(),
            p50_us: self.0.value_at_quantile(0.5),
            p95_us: self.0.value_at_quantile(0.95),
            p99_us: self.0.value_at_quantile(0.99),
            max_us: self.0.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_a_hundred_is_the_fiftieth() {
        let mut samples = Samples::new().unwrap();
        for millis in 1..=100 {
            samples.add(Duration::from_millis(millis));
        }
        let latency = samples.latency();
        assert_eq!(latency.samples, 100);
        assert!((49_900..=50_100).contains(&latency.p50_us), "{latency:?}");
        assert!((98_900..=99_200).contains(&latency.p99_us), "{latency:?}");
    }
}
