//! A template in use: everything a clone is made of.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use nix::unistd::{Whence, lseek};
use sha2::{Digest as _, Sha256};
use thaw_image::{Image, ImagePin};
use thaw_lazymem::{MemoryMode, ServeError};
use thaw_vmm::{RootDisk, RootFs};
use thiserror::Error;

use super::manifest::{BadTemplate, Manifest};
use crate::memory::{PagesError, TemplatePages, WorkingSets, condemns};

/// A VMM's device state is about 64 KB; more than this is not believed.
const MAX_STATE_BYTES: u64 = 64 << 20;

/// A template that is ready to be cloned. Its device state and scratch disk were checked; its memory is
/// checked as it is read.
#[derive(Debug)]
pub(crate) struct LoadedTemplate {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) memory: TemplatePages,
    pub(crate) working_sets: WorkingSets,
    pub(crate) device_state: Bytes,
    pub(crate) root: RootDisk,
    /// The scratch disk as it was frozen; copied for each clone, never written.
    pub(crate) scratch: File,
    /// Keeps the image from being removed.
    _image: Option<ImagePin>,
    condemned: OnceLock<BadTemplate>,
}

/// A template that can't be loaded.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    /// And never can be.
    #[error(transparent)]
    Bad(#[from] BadTemplate),
    /// Not now: the host lacks something.
    #[error("the host has no memory for the template")]
    Memory(#[source] PagesError),
}

impl LoadedTemplate {
    /// Reads and checks a template's files. Blocks: some milliseconds, and in mode `file` some 150 more
    /// for 100 MiB of memory in the page cache.
    pub(crate) fn load(
        folder: &Path,
        manifest: Arc<Manifest>,
        image: &Image,
        pin: Option<ImagePin>,
        mode: MemoryMode,
    ) -> Result<Self, LoadError> {
        let id = &manifest.id;
        let bad = |what: &str, error: &dyn std::error::Error| BadTemplate::because(id, what, error);
        let device_state = read_state(&folder.join("state.bin"))
            .map_err(|error| bad("its device state can't be read", &error))?;
        if sha256(&device_state) != manifest.state_sha256 {
            return Err(BadTemplate::new(id, "its device state fails its checksum").into());
        }
        let scratch = File::open(folder.join("scratch.img"))
            .map_err(|error| bad("its scratch disk can't be read", &error))?;
        let found = scratch_sha256(&scratch, manifest.scratch_bytes)
            .map_err(|error| bad("its scratch disk can't be read", &error))?;
        if found != manifest.scratch_sha256 {
            return Err(BadTemplate::new(id, "its scratch disk fails its checksum").into());
        }
        let memory = load_memory(&folder.join("memory.bin"), &manifest, mode)?;
        let root = image
            .open_root()
            .map_err(|error| bad("its image's root file system can't be opened", &error))?;
        Ok(Self {
            memory,
            working_sets: WorkingSets::open(folder),
            device_state,
            root: RootDisk {
                file: Arc::new(root),
                fs: root_fs(image.fs),
            },
            scratch,
            _image: pin,
            condemned: OnceLock::new(),
            manifest,
        })
    }
}

impl LoadedTemplate {
    /// The same under its name.
    pub(crate) fn kept(self, manifest: Arc<Manifest>, folder: &Path) -> Self {
        Self {
            manifest,
            working_sets: WorkingSets::open(folder),
            ..self
        }
    }

    /// Reads all of its memory once, to see that it is what was frozen. Blocks.
    pub(crate) fn verify(&self) -> Result<(), BadTemplate> {
        let verified = self.memory.source().verify();
        verified.map_err(|error| {
            BadTemplate::because(&self.manifest.id, "its memory can't be used", &error)
        })
    }

    /// Takes down why one of its clones could not be served; when it is the template's own fault, no
    /// other clone of it is to be started.
    pub(crate) fn blame(&self, error: &ServeError) {
        if condemns(error) {
            let id = &self.manifest.id;
            let bad = BadTemplate::because(id, "its memory can't be used", error);
            tracing::warn!(template = %id, "{bad}");
            // The first reason stays.
            let _ = self.condemned.set(bad);
        }
    }

    /// Why no clone of it is to be started any more.
    pub(crate) fn condemned(&self) -> Option<&BadTemplate> {
        self.condemned.get()
    }
}

/// How the guest mounts an image's file.
pub(crate) fn root_fs(fs: thaw_image::RootFs) -> RootFs {
    match fs {
        thaw_image::RootFs::Squashfs => RootFs::Squashfs,
        thaw_image::RootFs::Ext4 => RootFs::Ext4,
    }
}

fn load_memory(
    path: &Path,
    manifest: &Manifest,
    mode: MemoryMode,
) -> Result<TemplatePages, LoadError> {
    let id = &manifest.id;
    let memory = TemplatePages::open(path, manifest.memory, mode, &format!("thaw-{id}")).map_err(
        |error| match error {
            PagesError::Bad(_) => BadTemplate::because(id, "it can't be used", &error).into(),
            PagesError::Room(_) | PagesError::Fill(_) => LoadError::Memory(error),
        },
    )?;
    if memory.source().len_bytes() != manifest.shape.memory_bytes() {
        return Err(BadTemplate::new(id, "its memory is not as large as its machine's").into());
    }
    Ok(memory)
}

fn read_state(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() > MAX_STATE_BYTES {
        return Err(io::Error::other("it is larger than a device state can be"));
    }
    let mut state = Vec::new();
    file.take(MAX_STATE_BYTES).read_to_end(&mut state)?;
    Ok(state.into())
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The hash of a sparse file: of its length and of each block of 4 KiB that is not all zeroes, with
/// its place. Holes and written zeroes count alike, because a copy may turn one into the other.
///
/// # Errors
/// When the file can't be read, or is not of this length.
pub(crate) fn scratch_sha256(file: &File, length: u64) -> io::Result<String> {
    if file.metadata()?.len() != length {
        return Err(io::Error::other("it is cut short"));
    }
    let mut hash = Sha256::new();
    hash.update(length.to_le_bytes());
    let mut buffer = vec![0; 1 << 20];
    let mut position = 0;
    loop {
        let start = match lseek(file, position, Whence::SeekData) {
            Ok(start) => start,
            Err(nix::errno::Errno::ENXIO) => return Ok(hex::encode(hash.finalize())),
            Err(errno) => return Err(errno.into()),
        };
        // Extents begin at blocks of the host's file system, which are not smaller than this.
        let mut offset = start - start % 4096;
        let end = lseek(file, start, Whence::SeekHole)?;
        while offset < end {
            let left = usize::try_from(end - offset).unwrap_or(buffer.len());
            let chunk = &mut buffer[..left.min(1 << 20)];
            file.read_exact_at(chunk, offset as u64)?;
            for (block, index) in chunk.chunks(4096).zip(0i64..) {
                if block.iter().any(|byte| *byte != 0) {
                    hash.update((offset + index * 4096).to_le_bytes());
                    hash.update(block);
                }
            }
            offset += chunk.len() as i64;
        }
        position = end;
    }
}
