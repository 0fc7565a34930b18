//! What is done about a clone whose pages can't be served any more.

use std::sync::Arc;

use thaw_lazymem::{FillError, ServeError, ServedClone, SourceError};

use super::RestoreFaults;
use crate::{blocking::blocking, error::chain, lease::Leased, template::LoadedTemplate};

/// Runs a step of a clone's start; it ends early when the clone's pages can't be served, because then
/// its guest waits for ever.
pub(crate) async fn served<T>(
    memory: Option<&Arc<ServedClone>>,
    step: impl Future<Output = T>,
) -> Result<T, ServeError> {
    let Some(memory) = memory else {
        return Ok(step.await);
    };
    tokio::select! {
        biased;
        done = step => Ok(done),
        error = memory.failed() => Err(error),
    }
}

/// Whether the failure is the template's own: no clone of it can be better off.
pub(crate) fn condemns(error: &ServeError) -> bool {
    let ServeError::Fill(fill) = error else {
        return false;
    };
    match fill.as_ref() {
        FillError::Source(SourceError::Io { .. }) | FillError::Store { .. } => false,
        FillError::Source(_) => true,
    }
}

/// Ends a leased clone whose pages can't be served; else takes down what its restore cost, and returns the template
/// when its working set should be recorded anew. Returns when the clone needs nobody any more, or is gone.
pub(crate) async fn watch_leased(
    leased: Arc<Leased>,
    memory: Arc<ServedClone>,
) -> Option<Arc<LoadedTemplate>> {
    let settled = tokio::select! {
        biased;
        () = leased.gone() => return None,
        settled = memory.independent() => settled,
    };
    let template = leased.template()?;
    if let Err(error) = settled {
        template.blame(&error);
        leased.end_because(format!("its memory could not be filled: {}", chain(&error)));
        return None;
    }
    let stale = note_restore(Arc::clone(template), &memory).await;
    stale.then(|| Arc::clone(template))
}

/// Takes down what a restore cost; true when the working set should be recorded anew.
pub(crate) async fn note_restore(template: Arc<LoadedTemplate>, memory: &ServedClone) -> bool {
    let faults = memory.fault_count();
    blocking(move || {
        let set = template.working_sets.current();
        template.working_sets.restored(RestoreFaults {
            working_set_pages: set.map_or(0, |set| set.page_count()),
            faults,
        })
    })
    .await
}
