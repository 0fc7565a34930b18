//! The figures as JSON and as a table.

use std::io::Write as _;

use serde::Serialize;

use crate::{
    strategies::{Host, Outcome},
    trace::Day,
};

/// Everything that a run found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    seed: u64,
    functions: usize,
    calls: usize,
    memory_mib: u64,
    starts_at_once: u32,
    spawn_ms: u128,
    restore_ms: u128,
    proof_ms: u128,
    strategies: Vec<Outcome>,
}

impl Report {
    pub(crate) fn new(seed: u64, day: &Day, host: Host, strategies: Vec<Outcome>) -> Self {
        Self {
            seed,
            functions: day.functions,
            calls: day.calls.len(),
            memory_mib: host.memory_mib,
            starts_at_once: host.starts_at_once,
            spawn_ms: host.spawn.as_millis(),
            restore_ms: host.restore.as_millis(),
            proof_ms: host.proof.as_millis(),
            strategies,
        }
    }

    /// As Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "A generated day, seed {}: {} calls of {} functions; {} MiB for VMs, {} starts at once; \
             spawn {} ms, restore {} ms, proof {} ms.\n\n\
             | pools | cold starts | refused | mean cold wait | idle memory | peak | ended unused |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            self.seed,
            self.calls,
            self.functions,
            self.memory_mib,
            self.starts_at_once,
            self.spawn_ms,
            self.restore_ms,
            self.proof_ms,
        );
        for outcome in &self.strategies {
            table.push_str(&format!(
                "| {} | {:.2} % | {} | {:.0} ms | {:.0} GiB h | {} MiB | {} |\n",
                outcome.strategy,
                100.0 * outcome.cold_share,
                outcome.refused,
                outcome.mean_cold_wait_ms,
                outcome.idle_gib_h,
                outcome.peak_mib,
                outcome.ended_unused,
            ));
        }
        table
    }
}

/// Prints a table; whoever has closed the pipe is not told.
pub(crate) fn print(table: &str) {
    let _ = std::io::stdout().write_all(table.as_bytes());
}
