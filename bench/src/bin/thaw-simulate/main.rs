//! A day of a node with many functions in simulated time: the pools' own policy beside pools of a fixed size.
//!
//! The traffic is generated, in the shape that "Serverless in the Wild" (USENIX ATC 2020) found at Azure Functions;
//! its seed is printed, and the same seed gives the same day. No daemon is needed and no VM is started.

mod random;
mod report;
mod strategies;
mod trace;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::{
    report::Report,
    strategies::{Host, compare},
    trace::Day,
};

/// Compare the policy of pools with pools of a fixed size over a day of generated traffic.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The day's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Functions.
    #[arg(long, default_value_t = 60)]
    functions: usize,
    /// The node's memory for VMs, in MiB.
    #[arg(long, default_value_t = 65_536)]
    memory_mib: u64,
    /// Clones that the node starts at once: its CPUs.
    #[arg(long, default_value_t = 16)]
    starts: u32,
    /// To spawn a shell, in milliseconds.
    #[arg(long, default_value_t = 30)]
    spawn_ms: u64,
    /// To restore a template into it, in milliseconds.
    #[arg(long, default_value_t = 20)]
    restore_ms: u64,
    /// To take a clone through the path of an event before it is parked, in milliseconds.
    #[arg(long, default_value_t = 180)]
    proof_ms: u64,
    /// Write the results here as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the table here, besides printing it.
    #[arg(long)]
    table: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let day = Day::generate(arguments.seed, arguments.functions);
    let host = Host {
        memory_mib: arguments.memory_mib,
        starts_at_once: arguments.starts,
        spawn: Duration::from_millis(arguments.spawn_ms),
        restore: Duration::from_millis(arguments.restore_ms),
        proof: Duration::from_millis(arguments.proof_ms),
    };
    let report = Report::new(arguments.seed, &day, host, compare(&day, host));
    let table = report.table();
    report::print(&table);
    if let Some(path) = arguments.table {
        std::fs::write(&path, &table).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = arguments.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(&path, json + "\n")
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
