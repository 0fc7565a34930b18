//! Restores out of shells that wait: the device state and the resume alone.

use anyhow::{Result, ensure};
use thaw_pool_manager::{Node as _, StartKind, TemplateFormat, TemplateInfo, TemplateSelector};

use super::{
    Lab,
    lab::{Mode, first_output, lease, parking, pool_is},
};
use crate::{
    report::{Report, Row, progress},
    stats::Samples,
};

const SHELLS: u32 = 2;

/// Measures both ways of getting memory, the template being whole.
pub(crate) async fn measure(
    lab: &Lab,
    template: &TemplateInfo,
    samples: u32,
    report: &mut Report,
) -> Result<()> {
    for mode in [Mode::File, Mode::Uffd] {
        progress(&format!("restores from a shell: {}", mode.name()));
        let node = lab.open(mode, TemplateFormat::Plain, SHELLS).await?;
        // A pool that parks nothing keeps no shells either.
        let selector = TemplateSelector::Template(template.id.clone());
        node.set_pool(&selector, parking(1)).await?;
        let (mut restore, mut resumed) = (Samples::new()?, Samples::new()?);
        for _ in 0..samples {
            pool_is(&node, &template.id, |pool| {
                pool.parked == 1 && pool.shells == SHELLS && pool.leased == 0
            })
            .await?;
            // The parked clone goes first, the next one is made of a shell.
            let parked = lease(&node, &template.id).await?;
            let restored = lease(&node, &template.id).await?;
            ensure!(
                (parked.start, restored.start) == (StartKind::Parked, StartKind::Restored),
                "the clones were {:?} and {:?}",
                parked.start,
                restored.start
            );
            let (_, resume) = first_output(&node, &restored.id).await?;
            restore.add(restored.restore + resume);
            resumed.add(resume);
            node.release(&parked.id);
            node.release(&restored.id);
        }
        node.shut_down().await;
        let name = mode.name();
        report.rows.push(Row {
            what: format!("restore from a shell, {name}: device state and resume"),
            wall: restore.latency(),
            stages: vec![("resume".to_owned(), resumed.latency())],
        });
    }
    Ok(())
}
