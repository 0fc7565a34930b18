//! What a VM that misbehaves costs the one beside it: a fork bomb, bounded by its own guest's memory.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    client::Client,
    plan::Plan,
    report::{Report, Row, progress},
    stats::Samples,
};

/// Forks until nothing is left of its guest.
const BOMB: &str = "bomb() { bomb | bomb & }; bomb; sleep 3600";
const QUIET: &str = "exec in a VM, the neighbour quiet";
const BOMBED: &str = "exec in a VM, the neighbour under a fork bomb";

/// The same exec in one long-lived VM, before and while a fork bomb runs in another.
pub(crate) async fn measure(plan: &Plan, client: &Client, report: &mut Report) -> Result<()> {
    progress("the neighbour of a fork bomb");
    client.set_pool(&plan.image, 0, 0).await?;
    let (vm, bombed) = (
        client.create_vm(&plan.image).await?,
        client.create_vm(&plan.image).await?,
    );
    let measured = beside(plan, client, &vm, &bombed, report).await;
    client.delete_vm(&bombed).await?;
    client.delete_vm(&vm).await?;
    measured?;
    if let (Some(quiet), Some(bombed)) = (report.median(QUIET), report.median(BOMBED)) {
        let ratio = bombed as f64 / quiet.max(1) as f64;
        report.figure("exec beside a fork bomb / beside a quiet VM", ratio, "x");
    }
    Ok(())
}

async fn beside(
    plan: &Plan,
    client: &Client,
    vm: &str,
    bombed: &str,
    report: &mut Report,
) -> Result<()> {
    report
        .rows
        .push(row(QUIET, &repeat(plan, client, vm).await?));
    let bomb = json!({ "command": BOMB, "timeout_ms": 600_000 });
    let measured = tokio::select! {
        measured = repeat(plan, client, vm) => measured?,
        // Only a guest that is out of everything ends it, or does not even start it; the measuring goes on.
        _ = client.exec_in(bombed, bomb) => repeat(plan, client, vm).await?,
    };
    report.rows.push(row(BOMBED, &measured));
    Ok(())
}

async fn repeat(plan: &Plan, client: &Client, vm: &str) -> Result<Samples> {
    let program: Value = json!({ "argv": ["/bin/true"] });
    let mut samples = Samples::new()?;
    // The first finds cold paths.
    for sample in 0..=plan.samples {
        let answer = client.exec_in(vm, program.clone()).await?;
        ensure!(answer.exec.exit_code == Some(0), "{:?}", answer.exec);
        if sample > 0 {
            samples.add(answer.wall);
        }
    }
    Ok(samples)
}

fn row(what: &str, samples: &Samples) -> Row {
    Row {
        what: what.to_owned(),
        wall: samples.latency(),
        stages: Vec::new(),
    }
}
