//! From the request for a VM to the output of its first command.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use super::{
    machine,
    run::{Bench, row},
};
use crate::{
    client::Client,
    report::{Report, progress},
    stats::Samples,
};

/// Creates of the staggered step and of the burst.
const MANY: u32 = 20;

/// Between two staggered creates.
const APART: Duration = Duration::from_millis(500);

/// What a VM took.
#[derive(Debug)]
struct Opened {
    id: String,
    create: Duration,
    total: Duration,
}

/// How creates went.
struct Tally {
    total: Samples,
    create: Samples,
    command: Samples,
    failures: Vec<String>,
}

/// One after the other, the pool full before each.
pub(super) async fn paced(bench: Bench<'_>, report: &mut Report) -> Result<()> {
    let what = "create a VM to its first output, pool full";
    progress(what);
    let mut tally = Tally::new()?;
    // The first finds cold paths.
    for sample in 0..=bench.samples {
        bench.full_pool().await?;
        let opened = open_and_delete(bench.client, bench.image).await;
        if sample > 0 {
            tally.add(opened);
        }
    }
    tally.report(what, report);
    Ok(())
}

/// One every half second, whether or not the one before is done.
pub(super) async fn staggered(bench: Bench<'_>, report: &mut Report) -> Result<()> {
    let what = format!("create a VM to its first output, {MANY} of them {APART:?} apart");
    progress(&what);
    bench.full_pool().await?;
    let mut pace = tokio::time::interval(APART);
    let mut creates = JoinSet::new();
    for _ in 0..MANY {
        pace.tick().await;
        let (client, image) = (bench.client.clone(), bench.image.to_owned());
        creates.spawn(async move { open_and_delete(&client, &image).await });
    }
    let mut tally = Tally::new()?;
    while let Some(opened) = creates.join_next().await {
        tally.add(opened?);
    }
    tally.report(&what, report);
    Ok(())
}

/// All at once; they are alive together, and each answers.
pub(super) async fn burst(bench: Bench<'_>, report: &mut Report) -> Result<()> {
    let what = format!("create a VM to its first output, a burst of {MANY}, 2 parked");
    progress(&what);
    bench.full_pool().await?;
    let mut creates = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..MANY {
        let (client, image) = (bench.client.clone(), bench.image.to_owned());
        creates.spawn(async move { open(&client, &image).await });
    }
    let mut tally = Tally::new()?;
    while let Some(opened) = creates.join_next().await {
        tally.add(opened?);
    }
    let all = begin.elapsed();
    tally.report(&what, report);
    report.figure(
        format!("{what}: until all are done"),
        all.as_secs_f64() * 1000.0,
        "ms",
    );
    let alive = alive(bench, report).await;
    machine::delete_all(bench.client).await?;
    alive
}

/// How many run, by the list and by an exec in each.
async fn alive(bench: Bench<'_>, report: &mut Report) -> Result<()> {
    let vms = machine::running(bench.client).await?;
    let mut execs = JoinSet::new();
    for vm in vms.clone() {
        let client = bench.client.clone();
        execs.spawn(async move {
            let prints = format!("{vm}\n");
            machine::exec(&client, &vm, &["echo", &vm], &prints).await
        });
    }
    let mut answered = 0_u32;
    while let Some(answer) = execs.join_next().await {
        answered += u32::from(answer?.is_ok());
    }
    report.figure("VMs alive at once, by the list", vms.len() as f64, "");
    report.figure(
        "VMs alive at once, by an exec in each",
        f64::from(answered),
        "",
    );
    report.must(
        vms.len() == MANY as usize && answered == MANY,
        format!("of {MANY} VMs, {} run and {answered} answered", vms.len()),
    );
    Ok(())
}

async fn open(client: &Client, image: &str) -> Result<Opened> {
    let begin = Instant::now();
    let id = machine::create(client, image).await?;
    let create = begin.elapsed();
    machine::exec(client, &id, &["echo", "ready"], "ready\n").await?;
    Ok(Opened {
        id,
        create,
        total: begin.elapsed(),
    })
}

async fn open_and_delete(client: &Client, image: &str) -> Result<Opened> {
    let opened = open(client, image).await?;
    client.delete_vm(&opened.id).await?;
    Ok(opened)
}

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self {
            total: Samples::new()?,
            create: Samples::new()?,
            command: Samples::new()?,
            failures: Vec::new(),
        })
    }

    fn add(&mut self, opened: Result<Opened>) {
        match opened {
            Ok(opened) => {
                self.total.add(opened.total);
                self.create.add(opened.create);
                self.command.add(opened.total - opened.create);
            }
            Err(error) => self.failures.push(format!("{error:#}")),
        }
    }

    fn report(self, what: &str, report: &mut Report) {
        let stages = [("create", &self.create), ("command", &self.command)];
        report.rows.push(row(what, &self.total, &stages));
        let (good, bad) = (self.total.latency().samples, self.failures.len() as u64);
        let percent = 100.0 * good as f64 / (good + bad).max(1) as f64;
        report.figure(format!("{what}: succeeded"), percent, "%");
        let first = self.failures.first().map_or("", String::as_str);
        report.must(
            bad == 0,
            format!("{what}: {bad} of {} failed: {first}", good + bad),
        );
    }
}
