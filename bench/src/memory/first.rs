//! The first restore of a template on a node: from the request to the first output, by way of memory.

use std::{fs, time::Instant};

use anyhow::Result;
use thaw_pool_manager::{Node as _, TemplateFormat, TemplateInfo};

use super::{
    Lab,
    lab::{Mode, first_output, lease, template_has},
};
use crate::{
    report::{Report, Row, progress},
    stats::Samples,
};

/// What one way of getting memory costs.
pub(super) struct Costs {
    total: Samples,
    restore: Samples,
    whole: Samples,
    faults: Vec<u64>,
}

/// Measures each way with the template in the page cache and not.
pub(crate) async fn measure(
    lab: &Lab,
    template: &TemplateInfo,
    samples: u32,
    report: &mut Report,
) -> Result<()> {
    let file = lab.folder(&template.id).join("working-set.json");
    let set = fs::read(&file)?;
    for cold in [false, true] {
        let cache = if cold { "cache dropped" } else { "cache warm" };
        for (way, mode, with_set) in [
            ("file", Mode::File, true),
            ("uffd, no working set", Mode::Uffd, false),
            ("uffd, working set", Mode::Uffd, true),
        ] {
            progress(&format!("first restores: {way}, {cache}"));
            if !with_set {
                fs::remove_file(&file)?;
            }
            let costs = sample(lab, template, mode, cold, samples).await;
            // Put back before anything else may fail.
            fs::write(&file, &set)?;
            costs?.add_to(report, &format!("first restore, {way}, {cache}"));
        }
    }
    let pages = template.working_set_pages.unwrap_or_default();
    report.figure("working set of the template", pages as f64 / 256.0, "MiB");
    Ok(())
}

/// Each sample on a node that was just opened.
pub(super) async fn sample(
    lab: &Lab,
    template: &TemplateInfo,
    mode: Mode,
    cold: bool,
    samples: u32,
) -> Result<Costs> {
    let mut costs = Costs {
        total: Samples::new()?,
        restore: Samples::new()?,
        whole: Samples::new()?,
        faults: Vec::new(),
    };
    for _ in 0..samples {
        lab.forget_restores(&template.id)?;
        let node = lab.open(mode, TemplateFormat::Plain, 0).await?;
        if cold {
            lab.drop_cache(template)?;
        }
        let begin = Instant::now();
        let lease = lease(&node, &template.id).await?;
        let (first, resume) = first_output(&node, &lease.id).await?;
        costs.total.add(first - begin);
        costs.restore.add(lease.restore + resume);
        if mode == Mode::Uffd {
            // Written down when the clone needs nobody any more.
            let last = |known: &TemplateInfo| known.last_restores.last().copied();
            let restore = template_has(&node, &template.id, last).await?;
            costs.whole.add(begin.elapsed());
            costs.faults.push(restore.faults);
        }
        node.release(&lease.id);
        node.shut_down().await;
    }
    Ok(costs)
}

impl Costs {
    pub(super) fn add_to(mut self, report: &mut Report, what: &str) {
        let whole = self.whole.latency();
        let restore = self.restore.latency();
        let mut stages = vec![("device state and resume".to_owned(), restore)];
        if whole.samples > 0 {
            stages.push(("until the template is whole".to_owned(), whole));
        }
        report.rows.push(Row {
            what: format!("{what}: to the first output"),
            wall: self.total.latency(),
            stages,
        });
        self.faults.sort_unstable();
        if let Some(median) = self.faults.get(self.faults.len() / 2) {
            let what = format!("{what}: single faults, median");
            report.figure(what, *median as f64, "");
        }
    }
}
