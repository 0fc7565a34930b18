//! The memory of templates and clones, measured on a node inside this process: no HTTP, no daemon, one
//! setting after the other on the same storage root.
//!
//! ```text
//! Lab::open(mode, format, shells) ─► LocalNode ─► lease, exec, figures, /proc ─► closed again
//! ```
//!
//! A node that has just been opened holds nothing of a template, so each sample of a first restore is a
//! node of its own.

mod cold_gib;
mod compare;
mod density;
mod first;
mod guests;
mod lab;
mod shells;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

pub(crate) use lab::Lab;

use crate::report::Report;

/// What to measure with, and how often.
#[derive(Debug, Args)]
pub(crate) struct Memory {
    /// The storage root; its image and templates are kept for the next run. No daemon may use it.
    #[arg(long)]
    pub(crate) storage: PathBuf,
    /// The guest agent (`make agent`).
    #[arg(long, env = "THAW_AGENT_BIN")]
    pub(crate) agent: PathBuf,
    /// The library for guest memory (`make shim`).
    #[arg(long, env = "THAW_SHIM_BIN")]
    pub(crate) shim: PathBuf,
    /// Samples of each latency.
    #[arg(long = "restores", default_value_t = 20)]
    pub(crate) samples: u32,
    /// Numbers of parked clones.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 30])]
    pub(crate) clones: Vec<u32>,
    /// MiB that the guest of 1 GiB holds.
    #[arg(long, default_value_t = 600)]
    pub(crate) hold_mib: u32,
}

impl Memory {
    /// Measures everything, one thing after the other.
    pub(crate) async fn run(&self) -> Result<Report> {
        let lab = Lab::new(self).await?;
        let mut report = Report {
            machine: crate::plan::machine(lab.engine()),
            ..Report::default()
        };
        let template = lab.python().await?;
        first::measure(&lab, &template, self.samples, &mut report).await?;
        shells::measure(&lab, &template, self.samples, &mut report).await?;
        density::measure(&lab, &template, &self.clones, &mut report).await?;
        compare::mark(&mut report);
        let samples = self.samples.min(5);
        cold_gib::measure(&lab, self.hold_mib, samples, &mut report).await?;
        Ok(report)
    }
}
