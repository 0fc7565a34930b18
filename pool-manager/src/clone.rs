//! Starts the VMMs that clones live in.

use std::{path::Path, sync::Arc};

use thaw_lazymem::Recording;
use thaw_vmm::{DiskError, Engine, ScratchDisk, ShellSpec, StartError, VmmId, copy_extents};

use crate::{
    blocking::blocking,
    memory::{NodeMemory, Provided, TemplatePages, provide},
    template::LoadedTemplate,
};

/// What shells are spawned with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spawner<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) memory: &'a NodeMemory,
    /// Where scratch disks are made; they have no names.
    pub(crate) folder: &'a Path,
}

impl Spawner<'_> {
    /// Spawns a shell for a clone of `template`, with its working set mapped.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is left.
    pub(crate) async fn shell(
        self,
        template: &LoadedTemplate,
        id: VmmId,
    ) -> Result<Provided, StartError> {
        let provided = self
            .watched_shell(template, &template.memory, Recording::Off, id)
            .await?;
        if let (Some(memory), Some(set)) = (&provided.memory, template.working_sets.current()) {
            let memory = Arc::clone(memory);
            let mapped = blocking(move || memory.map_working_set(&set)).await;
            mapped.map_err(|error| {
                template.blame(&error);
                StartError::Prepare {
                    what: "memory",
                    source: std::io::Error::other(error),
                }
            })?;
        }
        Ok(provided)
    }

    /// The same on other pages than all the template's clones, and without the working set.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is left.
    pub(crate) async fn watched_shell(
        self,
        template: &LoadedTemplate,
        pages: &TemplatePages,
        recording: Recording,
        id: VmmId,
    ) -> Result<Provided, StartError> {
        let failed = |source| StartError::Prepare {
            what: "scratch disk",
            source,
        };
        let frozen = template.scratch.try_clone().map_err(failed)?;
        let folder = self.folder.to_owned();
        let bytes = template.manifest.scratch_bytes;
        let scratch = blocking(move || {
            let scratch = ScratchDisk::unnamed(&folder, bytes).map_err(|error| match error {
                DiskError::Io { source, .. } => source,
                other => std::io::Error::other(other),
            })?;
            copy_extents(&frozen, &scratch)?;
            Ok(scratch)
        })
        .await
        .map_err(failed)?;
        provide(self.memory, pages, recording, |memory| {
            self.engine.spawn_shell(ShellSpec {
                id,
                shape: template.manifest.shape,
                memory,
                root: template.root.clone(),
                scratch,
            })
        })
        .await
    }
}
