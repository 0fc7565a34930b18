//! Where private mappings of the file do better than userfaultfd; the table has to say so.

use crate::report::{Report, stage_name};

/// How names speak of private mappings.
const FILE: &str = ", file";

/// How names speak of userfaultfd.
const UFFD: [&str; 3] = [", uffd, no working set", ", uffd, working set", ", uffd"];

/// Something of which less is better, as exactly as the table shows it.
#[derive(Debug)]
struct Cost {
    name: String,
    value: f64,
    unit: &'static str,
}

/// Marks every row, stage and figure of `file` that is less than its like of `uffd`, and says so in a sentence.
/// Latencies are compared by their medians.
pub(super) fn mark(report: &mut Report) {
    let costs = costs(report);
    let mut beaten = Vec::new();
    for file in costs.iter().filter(|cost| cost.name.contains(FILE)) {
        for way in UFFD {
            let like = file.name.replacen(FILE, way, 1);
            let uffd = costs.iter().find(|cost| cost.name == like);
            if let Some(uffd) = uffd.filter(|uffd| file.value < uffd.value) {
                report.marked.push(file.name.clone());
                beaten.push(format!(
                    "{}, {} {} ({}: {})",
                    file.name, file.value, file.unit, uffd.name, uffd.value
                ));
            }
        }
    }
    report.marked.dedup();
    report.marked.dedup();
    report.notes.push(if beaten.is_empty() {
        "`file` beats `uffd` nowhere.".to_owned()
    } else {
        format!("† `file` beats `uffd` here: {}.", beaten.join("; "))
    });
}

fn costs(report: &Report) -> Vec<Cost> {
    let median = |name: String, p50_us: u64| Cost {
        name,
        value: (p50_us as f64 / 10.0).round() / 100.0,
        unit: "ms",
    };
    let mut costs = Vec::new();
    for row in &report.rows {
        costs.push(median(row.what.clone(), row.wall.p50_us));
        for (stage, latency) in &row.stages {
            costs.push(median(stage_name(&row.what, stage), latency.p50_us));
        }
    }
    // More of what all clones share is no cost.
    let figures = report.figures.iter();
    for figure in figures.filter(|figure| !figure.what.contains("shared guest memory")) {
        costs.push(Cost {
            name: figure.what.clone(),
            value: (figure.value * 10.0).round() / 10.0,
            unit: figure.unit,
        });
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_file_does_better_is_marked() {
        let mut report = Report::default();
        report.figure("first restore, file, cache warm", 2.0, "s");
        report.figure("first restore, uffd, no working set, cache warm", 1.0, "s");
        report.figure("first restore, uffd, working set, cache warm", 3.0, "s");
        report.figure("10 parked clones, file: private", 2.44, "MiB");
        report.figure("10 parked clones, uffd: private", 2.43, "MiB");
        report.figure("10 parked clones, file: PSS", 2.4, "MiB");
        report.figure("10 parked clones, uffd: PSS", 2.6, "MiB");
        mark(&mut report);
        let marked = [
            "first restore, file, cache warm",
            "10 parked clones, file: PSS",
        ];
        assert_eq!(report.marked, marked);
        assert_eq!(
            report.notes,
            [
                "† `file` beats `uffd` here: first restore, file, cache warm, 2 s (first restore, uffd, working set, \
                 cache warm: 3); 10 parked clones, file: PSS, 2.4 MiB (10 parked clones, uffd: PSS: 2.6)."
            ]
        );
    }
}
