//! What parked clones cost in the host's memory. Read from /proc, so only on the daemon's own machine.

use std::fs;

use anyhow::Result;

use crate::{
    client::Client,
    plan::Plan,
    report::{Report, progress},
};

const CLONES: u32 = 10;

/// Parks ten clones and reads their proportional set size.
pub(crate) async fn measure(
    plan: &Plan,
    client: &Client,
    template: &str,
    report: &mut Report,
) -> Result<()> {
    progress("memory of 10 parked clones");
    client.set_pool(&plan.image, CLONES, CLONES).await?;
    client
        .wait_for_pool(template, |pool| pool.parked >= CLONES && pool.leased == 0)
        .await?;
    let vmms = vmms()?;
    let count = vmms.len().max(1) as f64;
    let mean = |field: &str| -> f64 {
        let total: u64 = vmms.iter().map(|rollup| kib(rollup, field)).sum();
        total as f64 / 1024.0 / count
    };
    report.figure(
        "VMM processes measured (parked clones and shells)",
        count,
        "",
    );
    report.figure(
        "memory of a VMM process, proportional (PSS)",
        mean("Pss:"),
        "MiB",
    );
    report.figure(
        "memory of a VMM process, private dirty",
        mean("Private_Dirty:"),
        "MiB",
    );
    client.set_pool(&plan.image, 2, 4).await?;
    Ok(())
}

/// The smaps_rollup (proc(5)) of every VMM on this machine.
fn vmms() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Ok(line) = fs::read(path.join("cmdline")) else {
            continue;
        };
        let mut words = line.split(|byte| *byte == 0);
        let is_ours = words.any(|word| word == b"-name")
            && words.next().is_some_and(|name| name.starts_with(b"thaw-"));
        if is_ours && let Ok(rollup) = fs::read_to_string(path.join("smaps_rollup")) {
            found.push(rollup);
        }
    }
    Ok(found)
}

fn kib(rollup: &str, field: &str) -> u64 {
    rollup
        .lines()
        .filter(|line| line.starts_with(field))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}
