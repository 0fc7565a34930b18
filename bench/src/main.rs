//! Measures a running Thaw through its HTTP API, stage by stage, and beside it Docker on the same
//! machine with the same root file system; `memory` measures a node inside this process. `make bench` runs every
//! part of it, one after the other; the README's figures are those of such a run.

mod client;
mod docker;
mod goals;
mod host;
mod memory;
mod plan;
mod report;
mod sections;
mod stats;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

use crate::{
    client::Client, goals::Goal, host::Daemon, memory::Memory, plan::Plan, report::Report,
    sections::functions::Functions,
};

/// Measure Thaw's latency and memory.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The daemon to measure.
    #[arg(long, env = "THAW_SERVER", default_value = "http://127.0.0.1:8000")]
    server: String,
    /// The image; it needs python3.
    #[arg(long, default_value = "python")]
    image: String,
    /// Samples of each latency.
    #[arg(long, default_value_t = 50)]
    samples: u32,
    /// Execs of the sequential check.
    #[arg(long, default_value_t = 1000)]
    sequential: u32,
    /// A Docker image with the same root file system to compare with; the daemon is DOCKER_HOST's.
    #[arg(long)]
    docker_image: Option<String>,
    /// The daemon's process on this machine, for the check that it is left with nothing.
    #[arg(long, requires = "daemon_storage")]
    daemon_pid: Option<u32>,
    /// Its storage root.
    #[arg(long, requires = "daemon_pid")]
    daemon_storage: Option<PathBuf>,
    /// Write the results here as JSON.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
    /// Write the table here, besides printing it.
    #[arg(long, global = true)]
    table: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What else there is to measure.
#[derive(Debug, Subcommand)]
enum Command {
    /// Measure how clones get their memory and what they take, on a node inside this process.
    Memory(Memory),
    /// Measure functions: latencies, floods, and whether answers belong to their events.
    Functions(Functions),
    /// Measure how long forks hold a running VM up, and how long they take, at the daemon.
    Forks,
    /// Measure VMs that stay: until the first output, bursts, execs, files, terminals, and mixed calls.
    Vms,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let goals: &[Goal] = match arguments.command {
        Some(Command::Memory(_)) => &goals::MEMORY,
        Some(Command::Functions(_)) => &goals::FUNCTIONS,
        Some(Command::Forks) => &goals::FORKS,
        Some(Command::Vms) => &goals::VMS,
        None => &goals::EXEC,
    };
    let mut report: Report = match arguments.command {
        Some(Command::Memory(memory)) => memory.run().await?,
        Some(Command::Functions(functions)) => {
            let client = Client::new(&arguments.server)?;
            functions
                .run(&client, arguments.image, arguments.samples)
                .await?
        }
        Some(Command::Forks) => {
            let client = Client::new(&arguments.server)?;
            sections::forks::run(&client, &arguments.image).await?
        }
        Some(Command::Vms) => {
            let client = Client::new(&arguments.server)?;
            sections::vms::run(&client, &arguments.image, arguments.samples).await?
        }
        None => {
            let client = Client::new(&arguments.server)?;
            let process = arguments.daemon_pid.zip(arguments.daemon_storage);
            let plan = Plan {
                image: arguments.image,
                samples: arguments.samples,
                sequential: arguments.sequential,
                docker_image: arguments.docker_image,
                daemon: process.map(|(pid, storage)| Daemon { pid, storage }),
            };
            plan.run(&client).await?
        }
    };
    goals::compare(&mut report, goals);
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
    ensure!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    Ok(())
}
