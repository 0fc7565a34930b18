//! More callers than parked clones, and callers back to back.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    client::Client,
    plan::Plan,
    report::{Report, Row, progress},
    stats::Samples,
};

const CALLERS: u32 = 8;
const ROUNDS: u32 = 10;
const BACK_TO_BACK: u32 = 60;

/// Eight at once with two parked, then one after the other without a pause.
pub(crate) async fn measure(
    plan: &Plan,
    client: &Client,
    template: &str,
    report: &mut Report,
) -> Result<()> {
    progress("a burst of 8 with 2 parked");
    client.set_pool(&plan.image, 2, 2).await?;
    let mut walls = Samples::new()?;
    let mut each = Samples::new()?;
    for _ in 0..ROUNDS {
        client
            .wait_for_pool(template, |pool| pool.parked >= 2 && pool.leased == 0)
            .await?;
        let begin = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (client, image) = (client.clone(), plan.image.clone());
            callers
                .spawn(async move { client.exec(&image, json!({ "argv": ["/bin/true"] })).await });
        }
        while let Some(answer) = callers.join_next().await {
            let answer = answer??;
            ensure!(answer.exec.exit_code == Some(0), "{:?}", answer.exec);
            each.add(answer.wall);
        }
        walls.add(begin.elapsed());
    }
    report.rows.push(row(
        "burst of 8 fresh execs, 2 parked: until all are done",
        &walls,
    ));
    report
        .rows
        .push(row("burst of 8 fresh execs, 2 parked: each", &each));

    progress("fresh execs back to back");
    client.set_pool(&plan.image, 2, 4).await?;
    let begin = Instant::now();
    for _ in 0..BACK_TO_BACK {
        let answer = client
            .exec(&plan.image, json!({ "argv": ["/bin/true"] }))
            .await?;
        ensure!(answer.exec.exit_code == Some(0), "{:?}", answer.exec);
    }
    let rate = f64::from(BACK_TO_BACK) / begin.elapsed().as_secs_f64();
    report.figure("fresh clones back to back, one caller", rate, "per second");
    Ok(())
}

fn row(what: &str, samples: &Samples) -> Row {
    Row {
        what: what.to_owned(),
        wall: samples.latency(),
        stages: Vec::new(),
    }
}
