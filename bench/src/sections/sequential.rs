//! Many fresh VMs one after the other; every byte of each is checked, and that nothing is left behind.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    client::{Client, Pool},
    host::Holdings,
    plan::Plan,
    report::{Report, progress},
};

/// Parked clones, before and after: as many whatever the demand, so that what the daemon holds can be compared.
const CLONES: u32 = 4;

/// Runs a command of three lines that writes to both streams.
pub(crate) async fn measure(
    plan: &Plan,
    client: &Client,
    template: &str,
    report: &mut Report,
) -> Result<()> {
    progress("sequential execs");
    client.set_pool(&plan.image, CLONES, CLONES).await?;
    let is_full = |pool: &Pool| pool.parked == CLONES && pool.shells > 0 && pool.leased == 0;
    // Clones that were restored before the template was whole hold more than later ones; none of them is left.
    for number in 0..2 * CLONES {
        run(plan, client, number).await?;
    }
    client.wait_for_pool(template, is_full).await?;
    let before = match &plan.daemon {
        Some(daemon) => Some((daemon, daemon.steady().await?)),
        None => None,
    };
    let begin = Instant::now();
    for number in 0..plan.sequential {
        run(plan, client, number).await?;
    }
    let took = begin.elapsed();
    client.wait_for_pool(template, is_full).await?;
    report.figure(
        "sequential execs, every byte right",
        f64::from(plan.sequential),
        "",
    );
    report.figure(
        "sequential execs",
        f64::from(plan.sequential) / took.as_secs_f64(),
        "per second",
    );
    match before {
        Some((daemon, before)) => compare(before, daemon.settled(before).await?, report),
        None => report.notes.push(
            "Whether the daemon is left with processes, descriptors or files after the sequential execs was not \
             checked: its process was not named."
                .to_owned(),
        ),
    }
    Ok(())
}

async fn run(plan: &Plan, client: &Client, number: u32) -> Result<()> {
    let command = format!("echo out {number}\necho err {number} >&2\necho done");
    let answer = client
        .exec(&plan.image, json!({ "command": command }))
        .await?;
    ensure!(
        answer.exec.exit_code == Some(0)
            && answer.exec.stdout == format!("out {number}\ndone\n")
            && answer.exec.stderr == format!("err {number}\n"),
        "exec {number} answered {:?}",
        answer.exec
    );
    Ok(())
}

fn compare(before: Holdings, after: Holdings, report: &mut Report) {
    let held = [
        ("VMM processes", before.vmms, after.vmms),
        (
            "open descriptors of the daemon",
            before.descriptors,
            after.descriptors,
        ),
        (
            "entries of the run folder",
            before.run_entries,
            after.run_entries,
        ),
    ];
    for (what, before, after) in held {
        report.figure(
            format!("{what}, more after them than before"),
            after as f64 - before as f64,
            "",
        );
        report.must(
            after <= before,
            format!("{what}: {before} before the sequential execs, {after} after them"),
        );
    }
}
