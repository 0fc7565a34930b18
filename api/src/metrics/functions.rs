//! What functions do.
//!
//! The first functions that are invoked have lines of their own, up to a bound; what all others do is counted under
//! one name that no function can have. A function that was removed gives its lines up at the next scrape.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use thaw_runner::{
    functions::{Ending, FunctionStanding, Observed},
    node::{PoolInfo, vmm::protocol::Outcome},
};

use super::{STARTS, start_word};
use crate::convert;

/// Functions that have lines of their own.
const MOST_NAMED: usize = 200;

/// The name of all others.
const OTHERS: &str = "(other)";

/// From an event in a clone that is reused to one at the default limit of time.
const BUCKETS: [f64; 12] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// All that [`ending_word`] says.
const ENDINGS: [&str; 10] = [
    "returned",
    "raised",
    "restore_failed",
    "timed_out",
    "ended",
    "out_of_memory",
    "result_too_large",
    "refused",
    "error",
    "abandoned",
];

/// Figures of functions.
#[derive(Debug)]
pub(super) struct FunctionMetrics {
    invocations: IntCounterVec,
    seconds: HistogramVec,
    running: IntGaugeVec,
    waiting: IntGaugeVec,
    warm: IntGaugeVec,
    named: Mutex<BTreeSet<String>>,
}

impl FunctionMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["function"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let options = Opts::new(
            "thaw_function_invocations_total",
            "Events that came to functions, by how their clone came to be and how they ended.",
        );
        let invocations = IntCounterVec::new(options, &["function", "start", "outcome"])?;
        registry.register(Box::new(invocations.clone()))?;
        let options = HistogramOpts::new(
            "thaw_function_seconds",
            "Events that functions served, from their coming to their end.",
        );
        let seconds = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["function"])?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            invocations,
            seconds,
            running: gauge("thaw_function_running", "Events that are served now.")?,
            waiting: gauge("thaw_function_waiting", "Events that wait for a place.")?,
            warm: gauge(
                "thaw_function_warm_clones",
                "Clones that are ready for an event: parked ones, and used ones that wait to be used again.",
            )?,
            named: Mutex::default(),
        })
    }

    pub(super) fn observe(&self, observed: &Observed<'_>) {
        let start = start_word(observed.start.map(convert::start_kind));
        let mut named = self.named();
        let name = name_in(&mut named, observed.function.as_str());
        self.invocations
            .with_label_values(&[name, start, ending_word(observed.ending)])
            .inc();
        if let Ending::Served(_) | Ending::OutOfMemory = observed.ending {
            let seconds = observed.took.as_secs_f64();
            self.seconds.with_label_values(&[name]).observe(seconds);
        }
    }

    /// Sets what is of this moment, and forgets functions that are gone.
    pub(super) fn set(&self, standing: &[FunctionStanding], pools: &[PoolInfo]) {
        let parked: HashMap<_, _> = pools
            .iter()
            .map(|pool| (pool.template.as_str(), pool.parked))
            .collect();
        let mut named = self.named();
        let there: BTreeSet<_> = standing.iter().map(|one| one.name.as_str()).collect();
        named.retain(|name| {
            let stays = there.contains(name.as_str());
            if !stays {
                self.forget(name);
            }
            stays
        });
        let mut sums: BTreeMap<&str, [i64; 3]> = BTreeMap::new();
        for one in standing {
            let parked = one
                .templates
                .iter()
                .filter_map(|id| parked.get(id.as_str()));
            let warm = parked.map(|&count| i64::from(count)).sum::<i64>() + one.kept as i64;
            let now = [i64::from(one.running), i64::from(one.waiting), warm];
            let name = name_in(&mut named, one.name.as_str());
            for (sum, value) in sums.entry(name).or_default().iter_mut().zip(now) {
                *sum += value;
            }
        }
        for gauge in [&self.running, &self.waiting, &self.warm] {
            gauge.reset();
        }
        for (name, [running, waiting, warm]) in sums {
            self.running.with_label_values(&[name]).set(running);
            self.waiting.with_label_values(&[name]).set(waiting);
            self.warm.with_label_values(&[name]).set(warm);
        }
    }

    fn forget(&self, name: &str) {
        // Those that there never were are not found, which is as good.
        for start in STARTS {
            for ending in ENDINGS {
                let _ = self.invocations.remove_label_values(&[name, start, ending]);
            }
        }
        let _ = self.seconds.remove_label_values(&[name]);
    }

    fn named(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Every update is one call, so a panic elsewhere can't have left it half-done.
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name that a function is counted under.
fn name_in<'a>(named: &mut BTreeSet<String>, name: &'a str) -> &'a str {
    if named.contains(name) {
        return name;
    }
    if named.len() < MOST_NAMED {
        named.insert(name.to_owned());
        return name;
    }
    OTHERS
}

fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Served(Outcome::Returned) => "returned",
        Ending::Served(Outcome::Raised) => "raised",
        Ending::Served(Outcome::RestoreFailed) => "restore_failed",
        Ending::Served(Outcome::TimedOut) => "timed_out",
        Ending::Served(Outcome::Ended(_)) => "ended",
        Ending::Served(Outcome::ResultTooLarge) => "result_too_large",
        Ending::OutOfMemory => "out_of_memory",
        Ending::Refused => "refused",
        Ending::Failed => "error",
        Ending::Abandoned => "abandoned",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::TextEncoder;
    use thaw_runner::functions::FunctionName;

    use super::*;

    fn standing(name: &FunctionName) -> FunctionStanding {
        FunctionStanding {
            name: name.clone(),
            running: 1,
            waiting: 0,
            kept: 2,
            templates: Vec::new(),
        }
    }

    #[test]
    fn functions_beyond_the_bound_are_counted_together_and_removed_ones_make_room() {
        let registry = Registry::new();
        let metrics = FunctionMetrics::new(&registry).unwrap();
        let text = || {
            TextEncoder::new()
                .encode_to_string(&registry.gather())
                .unwrap()
        };
        let name = |number: usize| FunctionName::new(format!("f{number}")).unwrap();
        let count = |name: &FunctionName| {
            metrics.observe(&Observed {
                function: name,
                start: None,
                ending: Ending::Served(Outcome::Returned),
                took: Duration::from_millis(3),
            });
        };
        let names: Vec<_> = (0..MOST_NAMED + 50).map(name).collect();
        names.iter().for_each(count);
        metrics.set(&names.iter().map(standing).collect::<Vec<_>>(), &[]);
        let told = text();
        let lines = |start: &str| told.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(lines("thaw_function_invocations_total{"), MOST_NAMED + 1);
        assert_eq!(lines("thaw_function_warm_clones{"), MOST_NAMED + 1);
        let others = "function=\"(other)\",outcome=\"returned\",start=\"none\"} 50";
        assert!(told.contains(others), "{told}");
        assert!(told.contains("thaw_function_warm_clones{function=\"(other)\"} 100"));
        assert!(told.contains("thaw_function_seconds_bucket{function=\"f0\",le=\"0.005\"} 1"));

        // The first is removed, so the last may have lines of its own.
        metrics.set(&[standing(&names[1])], &[]);
        count(&names[MOST_NAMED + 49]);
        let told = text();
        assert!(!told.contains("function=\"f0\""), "{told}");
        assert!(told.contains("function=\"f249\""), "{told}");
    }
}
