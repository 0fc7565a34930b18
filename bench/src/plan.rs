//! The order of one run.

use anyhow::Result;

use crate::{
    client::Client,
    host::Daemon,
    report::{Machine, Report},
    sections,
};

/// What to measure, and how often.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The image; it needs python3.
    pub(crate) image: String,
    /// Samples of each latency.
    pub(crate) samples: u32,
    /// Execs of the sequential check.
    pub(crate) sequential: u32,
    /// The Docker image to compare with.
    pub(crate) docker_image: Option<String>,
    /// The daemon as a process, where it runs on this machine.
    pub(crate) daemon: Option<Daemon>,
}

impl Plan {
    /// Measures everything, one thing after the other.
    pub(crate) async fn run(&self, client: &Client) -> Result<Report> {
        let mut report = Report::default();
        let template = sections::cold::measure(self, client, &mut report).await?;
        report.machine = machine(template.engine);
        let template = template.id;
        sections::exec::measure(self, client, &template, &mut report).await?;
        sections::burst::measure(self, client, &template, &mut report).await?;
        sections::memory::measure(self, client, &template, &mut report).await?;
        sections::neighbour::measure(self, client, &mut report).await?;
        sections::docker::measure(self, &mut report)?;
        sections::sequential::measure(self, client, &template, &mut report).await?;
        Ok(report)
    }
}

/// Where this runs.
pub(crate) fn machine(engine: String) -> Machine {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(String::new, |(_, model)| model.to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cpu,
        cpus: std::thread::available_parallelism().map_or(0, usize::from),
        kernel: kernel.trim().to_owned(),
        engine,
    }
}
