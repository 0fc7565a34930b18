//! What Thaw has to reach on the reference machine (2 CPUs, software emulation), held against what a run found.

use Bound::{AtLeast, AtMost};
use Reading::{Figure, FigureOver, MibPerSecond, P50, P50Over, P99, StageP50};

use crate::report::{Bound, Report, stage_name};

/// One thing that has to be reached.
#[derive(Debug)]
pub(crate) struct Goal(&'static str, Reading, Bound, &'static str);

/// Which number of a report is meant.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// A row's median, in milliseconds.
    P50,
    /// A row's 99th percentile, in milliseconds.
    P99,
    /// The median of one of a row's stages, in milliseconds.
    StageP50(&'static str),
    /// So many MiB over a row's median.
    MibPerSecond(u32),
    /// A row's median over another row's.
    P50Over(&'static str),
    /// A figure.
    Figure,
    /// A figure over another one.
    FigureOver(&'static str),
}

/// Of execs.
pub(crate) const EXEC: [Goal; 8] = [
    Goal(CODE_PARKED, P50, AtMost(15.0), "ms"),
    Goal(
        "docker run … python3 -c / code run in a fresh parked VM",
        Figure,
        AtLeast(15.0),
        "x",
    ),
    Goal("/bin/true, parked VM", P50, AtMost(25.0), "ms"),
    Goal("/bin/true, restored from a shell", P50, AtMost(120.0), "ms"),
    Goal(
        "cold boot and bake",
        StageP50("to agent ready"),
        AtMost(4000.0),
        "ms",
    ),
    Goal(CODE_PARKED, StageP50("daemon"), AtMost(1.0), "ms"),
    Goal(
        "burst of 8 fresh execs, 2 parked: until all are done",
        P50,
        AtMost(800.0),
        "ms",
    ),
    Goal(
        "exec beside a fork bomb / beside a quiet VM",
        Figure,
        AtMost(2.0),
        "x",
    ),
];

const CODE_PARKED: &str = "code run print(6*7), parked VM";

/// Of functions.
pub(crate) const FUNCTIONS: [Goal; 7] = [
    Goal("function, fresh parked clone", P50, AtMost(8.0), "ms"),
    Goal("function, fresh parked clone", P99, AtMost(30.0), "ms"),
    Goal("function, reused clone", P50, AtMost(4.0), "ms"),
    Goal(
        "heavy imports against none, fresh parked clone",
        Figure,
        AtMost(1.2),
        "x",
    ),
    Goal("function, from zero warm", P50, AtMost(300.0), "ms"),
    Goal(
        "200 events a second, reuse 100: answered",
        Figure,
        AtLeast(150.0),
        "/s",
    ),
    Goal(
        "200 events a second, reuse 100: growth of the daemon's memory",
        Figure,
        AtMost(10.0),
        "MiB",
    ),
];

/// Of VMs that stay.
pub(crate) const VMS: [Goal; 5] = [
    Goal(
        "create a VM to its first output, pool full",
        P50,
        AtMost(80.0),
        "ms",
    ),
    Goal("exec true in a running VM", P50, AtMost(20.0), "ms"),
    Goal(
        "upload of a file of 8 MiB",
        MibPerSecond(8),
        AtLeast(30.0),
        "MiB/s",
    ),
    Goal(
        "download of a file of 8 MiB",
        MibPerSecond(8),
        AtLeast(30.0),
        "MiB/s",
    ),
    Goal("echo of a key in a terminal", P50, AtMost(40.0), "ms"),
];

const STOOD_STILL: Reading = StageP50("the VM's CPUs stood still");

/// Of forks.
pub(crate) const FORKS: [Goal; 2] = [
    Goal(
        "fork of a 256 MiB VM, 10 MiB written, and 1 MiB to its disk: until the fork is awake",
        STOOD_STILL,
        AtMost(30.0),
        "ms",
    ),
    Goal(
        "fork of a 1024 MiB VM, 10 MiB written, and 1 MiB to its disk: until the fork is awake",
        STOOD_STILL,
        AtMost(30.0),
        "ms",
    ),
];

const COLD_PLAIN: &str =
    "first restore, 1 GiB guest with 600 MiB, plain, cache dropped: to the first output";
const COLD_ZSTD: &str =
    "first restore, 1 GiB guest with 600 MiB, zstd, cache dropped: to the first output";

/// Of templates' and clones' memory.
pub(crate) const MEMORY: [Goal; 7] = [
    Goal(
        "10 parked clones, uffd: private guest memory each",
        Figure,
        AtMost(3.0),
        "MiB",
    ),
    Goal(
        "10 parked clones, uffd: VMM process each, PSS",
        Figure,
        AtMost(36.0),
        "MiB",
    ),
    Goal(
        "restore from a shell, uffd: device state and resume",
        P50,
        AtMost(5.0),
        "ms",
    ),
    Goal(
        "first restore, uffd, working set, cache warm: single faults, median",
        FigureOver("first restore, uffd, no working set, cache warm: single faults, median"),
        AtMost(0.1),
        "x",
    ),
    Goal(COLD_PLAIN, P50, AtMost(400.0), "ms"),
    Goal(COLD_ZSTD, P50, AtMost(400.0), "ms"),
    Goal(COLD_ZSTD, P50Over(COLD_PLAIN), AtMost(1.5), "x"),
];

/// Holds a report against its goals.
pub(crate) fn compare(report: &mut Report, goals: &[Goal]) {
    for Goal(what, reading, bound, unit) in goals {
        let label = match reading {
            P50 | MibPerSecond(_) => format!("{what}, p50"),
            P99 => format!("{what}, p99"),
            StageP50(stage) => format!("{}, p50", stage_name(what, stage)),
            P50Over(other) | FigureOver(other) => format!("{what} / {other}"),
            Figure => (*what).to_owned(),
        };
        match reading.of(report, what) {
            Some(value) => report.limit(label, value, *bound, unit),
            None => report.notes.push(format!("Not measured: {label}.")),
        }
    }
}

impl Reading {
    fn of(self, report: &Report, what: &str) -> Option<f64> {
        let row = |what: &str| report.rows.iter().find(|row| row.what == what);
        let p50 = |what: &str| Some(millis(row(what)?.wall.p50_us));
        let figure = |what: &str| {
            let found = report.figures.iter().find(|figure| figure.what == what);
            Some(found?.value)
        };
        match self {
            P50 => p50(what),
            P99 => Some(millis(row(what)?.wall.p99_us)),
            StageP50(stage) => {
                let mut stages = row(what)?.stages.iter();
                let (_, latency) = stages.find(|(name, _)| name == stage)?;
                Some(millis(latency.p50_us))
            }
            MibPerSecond(mib) => Some(f64::from(mib) / p50(what)? * 1000.0),
            P50Over(other) => Some(p50(what)? / p50(other)?),
            Figure => figure(what),
            FigureOver(other) => Some(figure(what)? / figure(other)?.max(1.0)),
        }
    }
}

fn millis(us: u64) -> f64 {
    us as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::Row, stats::Latency};

    #[test]
    fn every_reading_finds_its_number_and_what_is_missing_is_told() {
        let latency = |p50_us, p99_us| Latency {
            p50_us,
            p99_us,
            ..Latency::default()
        };
        let row = |what: &str, wall, stage| Row {
            what: what.to_owned(),
            wall,
            stages: vec![("stage".to_owned(), stage)],
        };
        let mut report = Report {
            rows: vec![
                row("a", latency(3000, 9000), latency(500, 0)),
                row("b", latency(2000, 0), latency(0, 0)),
            ],
            ..Report::default()
        };
        report.figure("faults", 4.0, "");
        report.figure("all faults", 100.0, "");
        let goals = [
            Goal("a", P50, AtMost(3.0), "ms"),
            Goal("a", P99, AtMost(8.0), "ms"),
            Goal("a", StageP50("stage"), AtMost(1.0), "ms"),
            Goal("a", P50Over("b"), AtMost(1.5), "x"),
            Goal("b", MibPerSecond(8), AtLeast(4000.0), "MiB/s"),
            Goal("faults", Figure, AtLeast(5.0), ""),
            Goal("faults", FigureOver("all faults"), AtMost(0.1), "x"),
            Goal("c", P50, AtMost(1.0), "ms"),
        ];
        compare(&mut report, &goals);
        let found: Vec<_> = report.limits.iter().map(|l| (l.value, l.kept)).collect();
        assert_eq!(
            found,
            [
                (3.0, true),
                (9.0, false),
                (0.5, true),
                (1.5, true),
                (4000.0, true),
                (4.0, false),
                (0.04, true)
            ]
        );
        assert_eq!(report.notes, ["Not measured: c, p50."]);
    }
}
