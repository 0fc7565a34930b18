//! Many fresh VMs one after the other; every byte of each is checked, and that nothing is left behind.

use std::{fs, time::Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    client::Client,
    plan::Plan,
    report::{Report, progress},
};

/// Runs a command of three lines that writes to both streams.
pub(crate) async fn measure(
    plan: &Plan,
    client: &Client,
    template: &str,
    report: &mut Report,
) -> Result<()> {
    progress("sequential execs");
    client.set_pool(&plan.image, 2, 4).await?;
    let settled = client
        .wait_for_pool(template, |pool| pool.parked >= 2 && pool.leased == 0)
        .await?;
    let before = processes()?;
    let begin = Instant::now();
    for number in 0..plan.sequential {
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
    }
    let took = begin.elapsed();
    client
        .wait_for_pool(template, |pool| {
            pool.leased == 0 && pool.parked == settled.parked && pool.shells == settled.shells
        })
        .await?;
    let after = processes()?;
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
    report.figure(
        "processes more after them than before",
        after as f64 - before as f64,
        "",
    );
    Ok(())
}

/// VMM processes on this machine.
fn processes() -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        let line = fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        count += usize::from(line.windows(6).any(|window| window == b"\0thaw-"));
    }
    Ok(count)
}
