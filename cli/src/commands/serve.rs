//! `thaw serve`

use anyhow::Result;
use thaw_runner::{CountLimits, RunnerLimits};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::{Limits, Serve},
    daemon::{Daemon, Reach},
    exit::Exit,
    logging, output,
};

/// Serves until SIGTERM or SIGINT; a second one ends at once.
pub(super) async fn run(serve: Serve) -> Result<Exit> {
    logging::start(serve.log_format, "info");
    let reach = Reach {
        listen: serve.listen,
        insecure: serve.insecure,
        allowed_hosts: serve.allow_host,
        own_key: None,
    };
    let stop = CancellationToken::new();
    let mut signals = JoinSet::new();
    signals.spawn(hear_signals(stop.clone()));
    let daemon = tokio::select! {
        daemon = Daemon::open(&serve.storage, &reach, limits(&serve.limits)) => daemon?,
        () = stop.cancelled() => return Ok(Exit::INTERRUPTED),
    };
    output::line(&format!("Thaw listens on http://{}", daemon.address))?;
    tokio::select! {
        served = daemon.serve(stop) => served?,
        Some(_) = signals.join_next() => return Ok(Exit::INTERRUPTED),
    }
    Ok(Exit::SUCCESS)
}

fn limits(limits: &Limits) -> RunnerLimits {
    let count = |total, per_key: Option<u32>| CountLimits {
        total,
        per_key: per_key.unwrap_or(total),
    };
    RunnerLimits {
        vms: count(limits.max_vms, limits.max_vms_per_key),
        snapshots: count(limits.max_snapshots, limits.max_snapshots_per_key),
        disk_mib: limits.max_disk,
        ..RunnerLimits::default()
    }
}

/// Cancels `stop` at the first signal and returns at the second.
async fn hear_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for _ in 0..2 {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    }
    Ok(())
}
