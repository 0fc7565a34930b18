//! Records a template's working set anew, in the background.

use std::sync::Arc;

use super::handle::PoolSetup;
use crate::{blocking::blocking, error::chain, template::LoadedTemplate, trial::Trials};

/// Begins to record, unless that is under way. It takes a turn and the room of one clone, as any other
/// start that nobody waits for; when there is no room, restores go on faulting until the next time.
pub(crate) fn record_anew(setup: &PoolSetup, template: &Arc<LoadedTemplate>) {
    let (setup, template) = (setup.clone(), Arc::clone(template));
    let tracker = setup.tracker.clone();
    tracker.spawn(async move {
        let stop = setup.stop.clone();
        // Whoever shuts the node down does not want it any more.
        let _ = stop.run_until_cancelled(record(setup, template)).await;
    });
}

async fn record(setup: PoolSetup, template: Arc<LoadedTemplate>) {
    let id = &template.manifest.id;
    let Some(_right) = template.working_sets.begin_recording() else {
        return;
    };
    let _pass = setup.gate.enter(false).await;
    let Ok(_slot) = setup.budget.take(template.manifest.shape.memory_mib) else {
        tracing::info!(template = %id, "no room to record a working set");
        return;
    };
    tracing::info!(template = %id, "recording the working set anew");
    let trials = Trials {
        engine: Arc::clone(&setup.engine),
        memory: setup.memory.clone(),
        within: setup.limits.start_within,
    };
    let recordings = match trials.run(&template, &setup.scratch_folder).await {
        Ok(recordings) if !recordings.is_empty() => recordings,
        Ok(_) => return,
        Err(error) => {
            tracing::warn!(template = %id, "a working set was not recorded: {}", chain(&error));
            return;
        }
    };
    let keep = {
        let template = Arc::clone(&template);
        move || template.working_sets.keep(&recordings)
    };
    match blocking(keep).await {
        Ok(set) => {
            tracing::info!(template = %id, pages = set.page_count(), "recorded a working set");
        }
        Err(error) => tracing::warn!(template = %id, %error, "a working set was not kept"),
    }
}
