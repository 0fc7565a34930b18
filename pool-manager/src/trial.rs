//! Restores clones of a template for what they show: that it works, and which pages that takes.

use std::{path::Path, sync::Arc, time::Duration};

use thaw_lazymem::{Recording, WorkingSet};
use thaw_vmm::{Engine, Machine, RestoreError, VmmId};

use crate::{
    BakeError,
    clone::Spawner,
    memory::{NodeMemory, served},
    proof::{ProofError, go_beyond, prove},
    template::{LoadedTemplate, Manifest},
};

/// So many recordings make a working set: what only one restore touched is chance.
const RECORDINGS: usize = 2;

/// The most pages of one recording: 256 MiB, far more than a proof touches.
const MOST_PAGES: usize = 1 << 16;

/// What trials work with.
#[derive(Debug, Clone)]
pub(crate) struct Trials {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) memory: NodeMemory,
    /// How long a restore and, again, a proof may take.
    pub(crate) within: Duration,
}

impl Trials {
    /// Takes clones through their proof, one after the other, as many as a working set takes, or one
    /// where faults can't be seen. Returns what they touched.
    ///
    /// # Errors
    /// At the first clone that fails.
    ///
    /// # Cancel safety
    /// The clone is ended.
    pub(crate) async fn run(
        &self,
        template: &LoadedTemplate,
        folder: &Path,
    ) -> Result<Vec<WorkingSet>, BakeError> {
        let mut recordings = Vec::with_capacity(RECORDINGS);
        for _ in 0..RECORDINGS {
            match self.once(template, folder).await? {
                Some(recording) => recordings.push(recording),
                None => break,
            }
        }
        Ok(recordings)
    }

    /// A clone on pages of its own, so that it faults on each that it touches.
    async fn once(
        &self,
        template: &LoadedTemplate,
        folder: &Path,
    ) -> Result<Option<WorkingSet>, BakeError> {
        let id = VmmId::random("trial").map_err(BakeError::Write)?;
        let pages = template
            .memory
            .apart(&format!("thaw-{id}"))
            .map_err(|error| BakeError::Unusable(crate::error::chain(&error)))?;
        let spawner = Spawner {
            engine: &*self.engine,
            memory: &self.memory,
            folder,
        };
        let recording = Recording::Pages(MOST_PAGES);
        let provided = spawner
            .watched_shell(template, &pages, recording, id)
            .await?;
        let memory = provided.memory;
        let restored = async {
            let state = template.device_state.clone();
            let restored = provided.shell.restore(state, self.within).await;
            let machine = restored.map_err(BakeError::Trial)?;
            let shown = self.show(&*machine, &template.manifest).await;
            let _ = machine.kill().await;
            shown.map_err(refused)
        };
        served(memory.as_ref(), restored)
            .await
            .map_err(|error| BakeError::Unusable(crate::error::chain(&error)))??;
        Ok(memory.and_then(|memory| memory.recorded()))
    }

    async fn show(&self, machine: &dyn Machine, manifest: &Manifest) -> Result<(), ProofError> {
        prove(machine, manifest, self.within).await?;
        match manifest.function {
            // Its next step would be an event that its code sees.
            Some(_) => Ok(()),
            None => go_beyond(machine, self.within).await,
        }
    }
}

/// What a bake is told of a machine that did not get through.
pub(crate) fn refused(error: ProofError) -> BakeError {
    match error {
        ProofError::Wake(error) => BakeError::Write(error),
        ProofError::Control(error) => BakeError::Trial(RestoreError::Control(error)),
        ProofError::Guest(error) => BakeError::Proof(error),
        ProofError::TimedOut(within) => BakeError::Trial(RestoreError::TimedOut(within)),
    }
}
