//! Starts the VMMs that clones live in.

use std::{fs::File, io, path::Path, sync::Arc};

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
                    source: io::Error::other(error),
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
        let frozen = template.scratch.try_clone().map_err(no_disk)?;
        let fill = move |scratch: &File| copy_extents(&frozen, scratch).map(drop);
        let scratch = self.scratch(template.manifest.scratch_bytes, fill).await?;
        self.shell_with(template, pages, recording, id, scratch)
            .await
    }

    /// Makes a scratch disk, which `fill` writes.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is left.
    pub(crate) async fn scratch(
        self,
        len_bytes: u64,
        fill: impl FnOnce(&File) -> io::Result<()> + Send + 'static,
    ) -> Result<File, StartError> {
        let folder = self.folder.to_owned();
        let made = blocking(move || {
            let scratch =
                ScratchDisk::unnamed(&folder, len_bytes).map_err(|error| match error {
                    DiskError::Io { source, .. } => source,
                    other => io::Error::other(other),
                })?;
            fill(&scratch)?;
            Ok(scratch)
        });
        made.await.map_err(no_disk)
    }

    /// Spawns a shell on a scratch disk that is there, without the working set.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is left.
    pub(crate) async fn shell_with(
        self,
        template: &LoadedTemplate,
        pages: &TemplatePages,
        recording: Recording,
        id: VmmId,
        scratch: File,
    ) -> Result<Provided, StartError> {
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

fn no_disk(source: io::Error) -> StartError {
    StartError::Prepare {
        what: "scratch disk",
        source,
    }
}
