//! The order of one run.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{calls, create, files, inside, machine};
use crate::{
    client::Client,
    plan::machine,
    report::{Report, Row},
    stats::Samples,
};

/// No step may take longer.
const STEP: Duration = Duration::from_secs(600);

/// What all steps need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bench<'a> {
    pub(super) client: &'a Client,
    pub(super) image: &'a str,
    /// The image's template.
    pub(super) template: &'a str,
    /// Samples of each latency.
    pub(super) samples: u32,
}

/// Measures every figure of VMs. They are deleted at the end, also when a step fails.
pub(crate) async fn run(client: &Client, image: &str, samples: u32) -> Result<Report> {
    let template = client.ensure_template(image).await?;
    let mut report = Report {
        machine: machine(template["engine"].as_str().unwrap_or_default().to_owned()),
        ..Report::default()
    };
    let bench = Bench {
        client,
        image,
        template: template["id"].as_str().context("a template without id")?,
        samples,
    };
    let measured = bench.steps(&mut report).await;
    let deleted = machine::delete_all(client).await;
    let pool = client.set_pool(image, 2, 4).await;
    measured?;
    deleted?;
    pool?;
    Ok(report)
}

impl Bench<'_> {
    async fn steps(self, report: &mut Report) -> Result<()> {
        self.client.set_pool(self.image, 2, 2).await?;
        bounded("creates", create::paced(self, report)).await?;
        bounded("staggered creates", create::staggered(self, report)).await?;
        bounded("a burst of creates", create::burst(self, report)).await?;
        bounded("execs", inside::execs(self, report)).await?;
        bounded("files", files::measure(self, report)).await?;
        bounded("terminals", inside::terminal(self, report)).await?;
        bounded("mixed calls", calls::measure(self, report)).await
    }

    /// Waits until two clones are parked and nobody has one.
    pub(super) async fn full_pool(self) -> Result<()> {
        let is_full = |pool: &crate::client::Pool| pool.parked >= 2 && pool.leased == 0;
        self.client.wait_for_pool(self.template, is_full).await?;
        Ok(())
    }

    /// Makes a VM and waits until the pool has replaced it.
    pub(super) async fn vm(self) -> Result<String> {
        let vm = machine::create(self.client, self.image).await?;
        let is_full = |pool: &crate::client::Pool| pool.parked >= 2;
        self.client.wait_for_pool(self.template, is_full).await?;
        Ok(vm)
    }
}

async fn bounded(what: &str, step: impl Future<Output = Result<()>>) -> Result<()> {
    let step = tokio::time::timeout(STEP, Box::pin(step)).await;
    step.with_context(|| format!("{what} took more than {STEP:?}"))?
        .with_context(|| what.to_owned())
}

pub(super) fn row(what: &str, wall: &Samples, stages: &[(&str, &Samples)]) -> Row {
    let stages = stages.iter();
    Row {
        what: what.to_owned(),
        wall: wall.latency(),
        stages: stages
            .map(|(stage, samples)| ((*stage).to_owned(), samples.latency()))
            .collect(),
    }
}
