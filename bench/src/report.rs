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
    /// What was to be reached, and what was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) limits: Vec<Limit>,
    /// Names of rows, stages and figures that a note speaks of; the table marks them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) marked: Vec<String>,
    /// Sentences about what was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// What must not be, and was found. The run then fails, once everything is measured and written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<String>,
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

/// A figure that has to reach something on the reference machine.
#[derive(Debug, Serialize)]
pub(crate) struct Limit {
    /// What was measured.
    pub(crate) what: String,
    /// What was found.
    pub(crate) value: f64,
    /// The most or least that it may be.
    pub(crate) bound: Bound,
    /// The unit of both.
    pub(crate) unit: &'static str,
    /// Whether it is within its bound.
    pub(crate) kept: bool,
}

/// The side on which a figure is bounded.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// It may not be more.
    AtMost(f64),
    /// It may not be less.
    AtLeast(f64),
}

impl Report {
    /// Compares a figure with what it has to reach. A slower machine misses limits, so one that is missed is
    /// shown, and is no failure.
    pub(crate) fn limit(
        &mut self,
        what: impl Into<String>,
        value: f64,
        bound: Bound,
        unit: &'static str,
    ) {
        let kept = match bound {
            Bound::AtMost(most) => value <= most,
            Bound::AtLeast(least) => value >= least,
        };
        self.limits.push(Limit {
            what: what.into(),
            value,
            bound,
            unit,
            kept,
        });
    }

    /// Notes a failure unless something holds that must.
    pub(crate) fn must(&mut self, holds: bool, failure: impl Into<String>) {
        if !holds {
            self.failures.push(failure.into());
        }
    }

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
            let mark = self.mark(&row.what);
            line(&mut out, &format!("{}{mark}", row.what), &row.wall);
            for (stage, latency) in &row.stages {
                let mark = self.mark(&stage_name(&row.what, stage));
                line(&mut out, &format!("· {stage}{mark}"), latency);
            }
        }
        if !self.figures.is_empty() {
            let _ = writeln!(out, "\n| figure | value |\n| --- | ---: |");
        }
        for figure in &self.figures {
            let _ = writeln!(
                out,
                "| {}{} | {:.1} {} |",
                figure.what,
                self.mark(&figure.what),
                figure.value,
                figure.unit
            );
        }
        self.write_limits(&mut out);
        for note in &self.notes {
            let _ = writeln!(out, "\n{note}");
        }
        for failure in &self.failures {
            let _ = writeln!(out, "\n**Failed**: {failure}");
        }
        out
    }

    fn mark(&self, what: &str) -> &'static str {
        let is_marked = self.marked.iter().any(|marked| marked == what);
        if is_marked { " †" } else { "" }
    }

    fn write_limits(&self, out: &mut String) {
        if self.limits.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n| to be reached | found | limit | |");
        let _ = writeln!(out, "| --- | ---: | ---: | --- |");
        for limit in &self.limits {
            let (side, bound) = match limit.bound {
                Bound::AtMost(most) => ("at most", most),
                Bound::AtLeast(least) => ("at least", least),
            };
            let kept = if limit.kept { "kept" } else { "missed" };
            let (what, value, unit) = (&limit.what, limit.value, limit.unit);
            let _ = writeln!(
                out,
                "| {what} | {value:.1} {unit} | {side} {bound} {unit} | {kept} |"
            );
        }
    }
}

/// How [`Report::marked`] names a stage.
pub(crate) fn stage_name(row: &str, stage: &str) -> String {
    format!("{row} · {stage}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_limit_and_a_failure_are_in_the_table() {
        let mut report = Report::default();
        report.limit("create, p50", 80.1, Bound::AtMost(80.0), "ms");
        report.limit("upload", 30.0, Bound::AtLeast(30.0), "MiB/s");
        report.must(true, "nothing is wrong");
        report.must(false, "a VM is left");
        let table = report.table();
        assert!(table.contains("| create, p50 | 80.1 ms | at most 80 ms | missed |"));
        assert!(table.contains("| upload | 30.0 MiB/s | at least 30 MiB/s | kept |"));
        assert!(table.ends_with("\n**Failed**: a VM is left\n"), "{table}");
        assert!(!table.contains("nothing is wrong"));
    }

    #[test]
    fn what_a_note_speaks_of_is_marked() {
        let mut report = Report::default();
        report.figure("plain", 1.0, "");
        report.figure("noted", 1.0, "");
        report.marked.push("noted".to_owned());
        report.notes.push("† is special.".to_owned());
        let table = report.table();
        assert!(table.contains("| noted † |") && table.contains("| plain |"));
        assert!(table.ends_with("† is special.\n"));
    }
}
