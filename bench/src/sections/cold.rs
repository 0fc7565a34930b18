//! A template made from nothing: cold boot, freeze and the trial of a first clone.

use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    client::Client,
    plan::Plan,
    report::{Report, progress},
};

/// The template that the rest of the run uses.
#[derive(Debug)]
pub(crate) struct Template {
    /// Its id.
    pub(crate) id: String,
    /// The engine that it fits.
    pub(crate) engine: String,
}

/// Bakes the image's template anew.
pub(crate) async fn measure(plan: &Plan, client: &Client, report: &mut Report) -> Result<Template> {
    progress("cold boot and bake");
    // The image itself may have to be made first; that is not what is measured.
    let found = client.ensure_template(&plan.image).await?;
    client.set_pool(&plan.image, 0, 0).await?;
    let id = text(&found, "id")?;
    client
        .wait_for_pool(&id, |pool| pool.parked == 0 && pool.leased == 0)
        .await?;
    client.delete_template(&id).await?;
    let begin = Instant::now();
    let baked = client.ensure_template(&plan.image).await?;
    report.figure(
        "bake, seen by the client",
        begin.elapsed().as_secs_f64(),
        "s",
    );
    let boot_ms = baked["boot_ms"]
        .as_f64()
        .context("a template without boot_ms")?;
    report.figure("cold boot to agent ready", boot_ms / 1000.0, "s");
    let bake_ms = baked["bake_ms"]
        .as_f64()
        .context("a template without bake_ms")?;
    report.figure("cold boot, freeze and trial", bake_ms / 1000.0, "s");
    Ok(Template {
        id: text(&baked, "id")?,
        engine: text(&baked, "engine")?,
    })
}

fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field]
        .as_str()
        .with_context(|| format!("a template without {field}"))?;
    Ok(text.to_owned())
}
