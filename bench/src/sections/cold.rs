//! A template made from nothing: cold boot, freeze and the trial of a first clone.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    client::Client,
    plan::Plan,
    report::{Report, Row, progress},
    stats::Samples,
};

/// How often.
const BAKES: u32 = 10;

/// The template that the rest of the run uses.
#[derive(Debug)]
pub(crate) struct Template {
    /// Its id.
    pub(crate) id: String,
    /// The engine that it fits.
    pub(crate) engine: String,
}

/// Bakes the image's template anew, several times.
pub(crate) async fn measure(plan: &Plan, client: &Client, report: &mut Report) -> Result<Template> {
    progress("cold boots and bakes");
    // The image itself may have to be made first; that is not what is measured.
    let mut template = client.ensure_template(&plan.image).await?;
    client.set_pool(&plan.image, 0, 0).await?;
    let (mut wall, mut boot, mut bake) = (Samples::new()?, Samples::new()?, Samples::new()?);
    for _ in 0..BAKES {
        let id = text(&template, "id")?;
        client
            .wait_for_pool(&id, |pool| pool.parked == 0 && pool.leased == 0)
            .await?;
        client.delete_template(&id).await?;
        let begin = Instant::now();
        template = client.ensure_template(&plan.image).await?;
        wall.add(begin.elapsed());
        boot.add(millis(&template, "boot_ms")?);
        bake.add(millis(&template, "bake_ms")?);
        client.set_pool(&plan.image, 0, 0).await?;
    }
    report.rows.push(Row {
        what: "cold boot and bake".to_owned(),
        wall: wall.latency(),
        stages: vec![
            ("to agent ready".to_owned(), boot.latency()),
            (
                "to the template, trials included".to_owned(),
                bake.latency(),
            ),
        ],
    });
    Ok(Template {
        id: text(&template, "id")?,
        engine: text(&template, "engine")?,
    })
}

fn millis(template: &Value, field: &str) -> Result<Duration> {
    let millis = template[field].as_u64();
    let millis = millis.with_context(|| format!("a template without {field}"))?;
    Ok(Duration::from_millis(millis))
}

fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field]
        .as_str()
        .with_context(|| format!("a template without {field}"))?;
    Ok(text.to_owned())
}
