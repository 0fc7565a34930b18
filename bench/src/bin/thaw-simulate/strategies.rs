//! Ways to keep clones, each run through the same day.

use std::time::Duration;

use serde::Serialize;
use thaw_pool_manager::{
    NodeLimits, PoolSettings, SimulatedCall, SimulatedFigures, SimulatedNode, SimulatedTimes,
};

use crate::trace::Day;

/// How long a call waits at most, as the daemon's own default.
const WITHIN: Duration = Duration::from_secs(60);

/// The node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    pub(crate) memory_mib: u64,
    pub(crate) starts_at_once: u32,
    pub(crate) spawn: Duration,
    pub(crate) restore: Duration,
    pub(crate) proof: Duration,
}

/// What came of a strategy.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) strategy: String,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) idle_s: u64,
    pub(crate) calls: u64,
    pub(crate) warm: u64,
    pub(crate) cold: u64,
    pub(crate) refused: u64,
    pub(crate) cold_share: f64,
    pub(crate) mean_cold_wait_ms: f64,
    pub(crate) idle_gib_h: f64,
    pub(crate) peak_mib: u64,
    pub(crate) ended_unused: u64,
}

/// Runs every strategy through the day.
pub(crate) fn compare(day: &Day, host: Host) -> Vec<Outcome> {
    let bounds = |min, max, idle_s| PoolSettings {
        min,
        max,
        idle: Duration::from_secs(idle_s),
    };
    let mut strategies = vec![
        ("thaw, default".to_owned(), bounds(1, 8, 300)),
        ("thaw, to zero".to_owned(), bounds(0, 8, 300)),
        ("thaw, to zero after 60 s".to_owned(), bounds(0, 8, 60)),
    ];
    for size in [1, 2, 4, 8] {
        strategies.push((format!("fixed, {size}"), bounds(size, size, 300)));
    }
    strategies
        .into_iter()
        .map(|(name, settings)| outcome(name, settings, run(day, host, settings)))
        .collect()
}

fn run(day: &Day, host: Host, settings: PoolSettings) -> SimulatedFigures {
    let limits = NodeLimits {
        vmms: 100_000,
        memory_mib: host.memory_mib,
        starts_at_once: host.starts_at_once,
        ..NodeLimits::default()
    };
    let times = SimulatedTimes {
        spawn: host.spawn,
        restore: host.restore,
        proof: host.proof,
    };
    let mut node = SimulatedNode::new(&limits, times);
    for memory_mib in &day.memory_mib {
        node.add_pool(settings, *memory_mib);
    }
    let calls = day.calls.iter().map(|call| SimulatedCall {
        at: call.at,
        pool: call.function,
        uses: call.takes,
        within: WITHIN,
    });
    node.run(calls, Day::LENGTH)
}

fn outcome(strategy: String, settings: PoolSettings, figures: SimulatedFigures) -> Outcome {
    let waited_ms = figures.waited.as_secs_f64() * 1000.0;
    Outcome {
        strategy,
        min: settings.min,
        max: settings.max,
        idle_s: settings.idle.as_secs(),
        calls: figures.calls,
        warm: figures.warm,
        cold: figures.cold,
        refused: figures.refused,
        cold_share: figures.cold_share(),
        mean_cold_wait_ms: waited_ms / figures.cold.max(1) as f64,
        idle_gib_h: figures.idle_gib_h(),
        peak_mib: figures.peak_mib,
        ended_unused: figures.wasted,
    }
}
