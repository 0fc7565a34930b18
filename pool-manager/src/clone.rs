//! Starts the VMMs that clones live in.

use std::{path::Path, sync::Arc};

use thaw_vmm::{
    DiskError, Engine, ScratchDisk, Shell, ShellMemory, ShellSpec, StartError, VmmId, copy_extents,
};

use crate::{blocking::blocking, template::LoadedTemplate};

/// Spawns a shell for a clone of `template`, with a scratch disk of its own in `folder`.
///
/// # Cancel safety
/// Dropped before it returns, nothing is left.
pub(crate) async fn spawn_shell(
    engine: &dyn Engine,
    template: &LoadedTemplate,
    folder: &Path,
    id: VmmId,
) -> Result<Box<dyn Shell>, StartError> {
    let failed = |source| StartError::Prepare {
        what: "scratch disk",
        source,
    };
    let frozen = template.scratch.try_clone().map_err(failed)?;
    let folder = folder.to_owned();
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
    engine
        .spawn_shell(ShellSpec {
            id,
            shape: template.manifest.shape,
            memory: ShellMemory::Whole(Arc::clone(&template.memory)),
            root: template.root.clone(),
            scratch,
        })
        .await
}
