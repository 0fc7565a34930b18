//! The same programs in Docker containers of the same root file system.

use anyhow::Result;

use crate::{
    docker::{Container, run_fresh},
    plan::Plan,
    report::{Report, Row, progress},
    stats::Samples,
};

const PYTHON: [&str; 3] = ["python3", "-c", "print(6*7)"];
const TRUE: [&str; 1] = ["/bin/true"];

/// `docker run` and `docker exec`, where an image was named.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let Some(image) = &plan.docker_image else {
        return Ok(());
    };
    progress("docker");
    let container = Container::start(image)?;
    let rows: [(&str, &[&str], bool); 4] = [
        ("docker run --rm --network none … /bin/true", &TRUE, true),
        (
            "docker run --rm --network none … python3 -c 'print(6*7)'",
            &PYTHON,
            true,
        ),
        ("docker exec … /bin/true", &TRUE, false),
        ("docker exec … python3 -c 'print(6*7)'", &PYTHON, false),
    ];
    for (what, argv, fresh) in rows {
        let mut samples = Samples::new()?;
        // The first one finds cold caches.
        for sample in 0..=plan.samples.min(20) {
            let took = if fresh {
                run_fresh(image, argv)?
            } else {
                container.exec(argv)?
            };
            if sample > 0 {
                samples.add(took);
            }
        }
        report.rows.push(Row {
            what: what.to_owned(),
            wall: samples.latency(),
            stages: Vec::new(),
        });
    }
    ratio(report);
    Ok(())
}

/// How many times faster a code run in a fresh VM is than a fresh container.
fn ratio(report: &mut Report) {
    let docker = report.median("docker run --rm --network none … python3 -c 'print(6*7)'");
    let thaw = report.median("code run print(6*7), parked VM");
    if let (Some(docker), Some(thaw)) = (docker, thaw.filter(|us| *us > 0)) {
        report.figure(
            "docker run … python3 -c / code run in a fresh parked VM",
            docker as f64 / thaw as f64,
            "x",
        );
    }
}
