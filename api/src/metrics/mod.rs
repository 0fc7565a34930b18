//! What is counted and measured.
//!
//! No label's values can be made up by a caller: routes, methods, codes and outcomes are fixed sets, and
//! templates and functions are those that exist, of functions a few hundred at most.

mod functions;
mod gauges;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
    process_collector::ProcessCollector,
};
use thaw_api_types::{ErrorCode, StartKind, TimingsUs};
use thaw_runner::{
    functions::{FunctionStanding, Observed},
    node::{NodeFigures, PoolInfo},
};

use crate::exec::Outcome;
use functions::FunctionMetrics;
use gauges::Gauges;

/// From 50 us, the order of the daemon's own part, to two minutes, that of a bake.
const STAGE_BUCKETS: [f64; 19] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
];

/// Every metric of the service.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    execs: IntCounterVec,
    exec_errors: IntCounterVec,
    stages: HistogramVec,
    http: IntCounterVec,
    gauges: Gauges,
    functions: FunctionMetrics,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let execs = counter(
            "thaw_execs_total",
            "Programs that were asked for, by how they ended and how their VM came to be.",
            &["outcome", "start"],
        )?;
        let exec_errors = counter(
            "thaw_exec_errors_total",
            "Programs that did not run or were lost, by error code.",
            &["code"],
        )?;
        let http = counter(
            "thaw_http_requests_total",
            "HTTP requests that were answered.",
            &["route", "method", "status"],
        )?;
        let options = HistogramOpts::new(
            "thaw_exec_stage_seconds",
            "Where the time of programs that ran went; stage total is the sum of the others.",
        );
        let stages = HistogramVec::new(options.buckets(STAGE_BUCKETS.to_vec()), &["stage"])?;
        registry.register(Box::new(stages.clone()))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let gauges = Gauges::new(&registry)?;
        let functions = FunctionMetrics::new(&registry)?;
        Ok(Self {
            registry,
            execs,
            exec_errors,
            stages,
            http,
            gauges,
            functions,
        })
    }

    pub(crate) fn exec(&self, outcome: Outcome, start: Option<StartKind>) {
        self.execs
            .with_label_values(&[outcome.as_str(), start_word(start)])
            .inc();
    }

    /// Counts an event that is over.
    pub(crate) fn function(&self, observed: &Observed<'_>) {
        self.functions.observe(observed);
    }

    pub(crate) fn exec_error(&self, code: ErrorCode) {
        self.exec_errors.with_label_values(&[code.as_str()]).inc();
    }

    pub(crate) fn stages(&self, timings: &TimingsUs) {
        let stages = [
            ("daemon", timings.daemon),
            ("queue", timings.queue),
            ("restore", timings.restore),
            ("resume", timings.resume),
            ("connect", timings.connect),
            ("exec", timings.exec),
            ("total", timings.total),
        ];
        for (stage, us) in stages {
            let seconds = us as f64 / 1e6;
            self.stages.with_label_values(&[stage]).observe(seconds);
        }
    }

    pub(crate) fn http_request(&self, route: &str, method: &str, status: u16) {
        self.http
            .with_label_values(&[route, method, &status.to_string()])
            .inc();
    }

    /// All of it as text, with the node's figures of this moment.
    pub(crate) fn render(
        &self,
        figures: &NodeFigures,
        pools: &[PoolInfo],
        vms: usize,
        standing: &[FunctionStanding],
    ) -> Result<String, prometheus::Error> {
        self.gauges.set(figures, pools, vms);
        self.functions.set(standing, pools);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// All that [`start_word`] says.
const STARTS: [&str; 5] = ["parked", "restored", "cold", "reused", "none"];

fn start_word(start: Option<StartKind>) -> &'static str {
    match start {
        Some(StartKind::Parked) => "parked",
        Some(StartKind::Restored) => "restored",
        Some(StartKind::Cold) => "cold",
        Some(StartKind::Reused) => "reused",
        None => "none",
    }
}
