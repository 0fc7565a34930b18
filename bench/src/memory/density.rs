//! What parked clones take of the host's memory.

use anyhow::{Result, ensure};
use thaw_pool_manager::{Node as _, TemplateFormat, TemplateInfo, TemplateSelector};

use super::{
    Lab,
    guests::{self, Guest},
    lab::{Mode, parking, pool_is},
};
use crate::report::{Report, progress};

/// Parks each number of clones and reads what each takes.
pub(crate) async fn measure(
    lab: &Lab,
    template: &TemplateInfo,
    counts: &[u32],
    report: &mut Report,
) -> Result<()> {
    for mode in [Mode::File, Mode::Uffd] {
        // No shells beside them.
        let node = lab.open(mode, TemplateFormat::Plain, 0).await?;
        for count in counts {
            let what = format!("{count} parked clones, {}", mode.name());
            progress(&what);
            let selector = TemplateSelector::Template(template.id.clone());
            node.set_pool(&selector, parking(*count)).await?;
            pool_is(&node, &template.id, |pool| {
                pool.parked == *count && pool.shells == 0
            })
            .await?;
            let found = guests::of_this_process()?;
            ensure!(
                found.len() == *count as usize,
                "{} VMMs run instead of {count}",
                found.len()
            );
            let mean = |field: fn(&Guest) -> u64| {
                found.iter().map(field).sum::<u64>() as f64 / f64::from(*count) / 1024.0
            };
            let private = mean(|guest| guest.private);
            report.figure(format!("{what}: private guest memory each"), private, "MiB");
            let shared = mean(|guest| guest.shared);
            report.figure(format!("{what}: shared guest memory each"), shared, "MiB");
            let pss = mean(|guest| guest.process_pss);
            report.figure(format!("{what}: VMM process each, PSS"), pss, "MiB");
        }
        node.shut_down().await;
    }
    Ok(())
}
