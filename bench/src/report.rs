//! What a run found, as JSON and as a table.

use std::fmt::Write as _;

use serde::Serialize;

use crate::stats::Latency;

/// Everything that one run found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Where it ran.
    pub(crate) machine: Machine,
    /// Latencies, in the order in which they were measured.
    pub(crate) rows: Vec<Row>,
    /// Single figures.
    pub(crate) figures: Vec<Figure>,
}

/// Where a run was made.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Machine {
    /// The CPU's model.
    pub(crate) cpu: String,
    /// CPUs.
    pub(crate) cpus: usize,
    /// The host kernel.
    pub(crate) kernel: String,
    /// What the daemon says of its engine.
    pub(crate) engine: String,
}

/// The latency of one thing.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// Seen by the client, HTTP included.
    pub(crate) wall: Latency,
    /// Stages inside, where the answer has them.
    pub(crate) stages: Vec<(String, Latency)>,
}

/// A single figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// The value.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
}

impl Report {
    /// Adds a single figure.
    pub(crate) fn figure(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            what: what.into(),
            value,
            unit,
        });
    }

    /// The median of a row, in microseconds.
    pub(crate) fn median(&self, what: &str) -> Option<u64> {
        let row = self.rows.iter().find(|row| row.what == what)?;
        Some(row.wall.p50_us)
    }

    /// The report as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let machine = &self.machine;
        let _ = writeln!(
            out,
            "{} CPUs ({}), Linux {}, {}\n",
            machine.cpus, machine.cpu, machine.kernel, machine.engine
        );
        let _ = writeln!(out, "| milliseconds | p50 | p95 | p99 | max | n |");
        let _ = writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |");
        for row in &self.rows {
            line(&mut out, &row.what, &row.wall);
            for (stage, latency) in &row.stages {
                line(&mut out, &format!("· {stage}"), latency);
            }
        }
        let _ = writeln!(out, "\n| figure | value |\n| --- | ---: |");
        for figure in &self.figures {
            let _ = writeln!(
                out,
                "| {} | {:.1} {} |",
                figure.what, figure.value, figure.unit
            );
        }
        out
    }
}

fn line(out: &mut String, what: &str, latency: &Latency) {
    let millis = |us: u64| us as f64 / 1000.0;
    let _ = writeln!(
        out,
        "| {what} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
        millis(latency.p50_us),
        millis(latency.p95_us),
        millis(latency.p99_us),
        millis(latency.max_us),
        latency.samples
    );
}

/// Prints the table where people look for a result.
#[expect(clippy::print_stdout, reason = "the table is this program's output")]
pub(crate) fn print(table: &str) {
    println!("{table}");
}

/// Says what is being measured now.
#[expect(clippy::print_stderr, reason = "progress is for whoever waits")]
pub(crate) fn progress(what: &str) {
    eprintln!("measuring {what}");
}
