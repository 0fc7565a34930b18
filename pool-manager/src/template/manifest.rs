//! A template's description of itself.

use std::{fs, io, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use thaw_image::ImageConfig;
use thaw_vmm::{EngineIdentity, Shape, protocol::Language};
use thiserror::Error;

use crate::{TemplateFormat, TemplateId};

/// The version of the folder's format; another one is refused by name.
pub(crate) const FORMAT_VERSION: u32 = 2;

/// The largest manifest that is read.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// What `manifest.json` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// [`FORMAT_VERSION`].
    pub(crate) version: u32,
    pub(crate) id: TemplateId,
    /// The image's digest.
    pub(crate) image: String,
    pub(crate) config: ImageConfig,
    pub(crate) shape: Shape,
    /// How memory.bin is written.
    pub(crate) memory: TemplateFormat,
    pub(crate) engine: EngineIdentity,
    /// The guest kernel's release.
    pub(crate) kernel: String,
    /// The agent's version.
    pub(crate) agent: String,
    /// The agent's protocol version.
    pub(crate) protocol: u16,
    pub(crate) languages: Vec<Language>,
    /// The length of the scratch disk.
    pub(crate) scratch_bytes: u64,
    /// SHA-256 of the data of scratch.img, in hex.
    pub(crate) scratch_sha256: String,
    /// SHA-256 of state.bin, in hex.
    pub(crate) state_sha256: String,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) created_at: u64,
    pub(crate) bake_ms: u64,
    /// From the VMM's start to the agent's first answer; 0 where it was not written down.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) boot_ms: u64,
    /// What tells the function that was loaded from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<String>,
}

/// What every version of the manifest has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

/// A template that must not be used. The message names it and the mend.
#[derive(Debug, Clone, Error)]
#[error(
    "{reason}; remove it with `thaw template rm {id}`, and it is baked anew when it is next needed"
)]
pub(crate) struct BadTemplate {
    pub(crate) id: TemplateId,
    pub(crate) reason: String,
}

impl BadTemplate {
    pub(crate) fn new(id: &TemplateId, reason: impl Into<String>) -> Self {
        Self {
            id: id.clone(),
            reason: reason.into(),
        }
    }

    /// With the causes of the error, down to the first.
    pub(crate) fn because(id: &TemplateId, what: &str, error: &dyn std::error::Error) -> Self {
        Self::new(id, format!("{what}: {}", crate::error::chain(error)))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Manifest {
    pub(crate) fn boot(&self) -> Duration {
        Duration::from_millis(self.boot_ms)
    }

    pub(crate) fn bake(&self) -> Duration {
        Duration::from_millis(self.bake_ms)
    }

    /// Reads the manifest of the template `id` in `folder`.
    pub(crate) fn read(folder: &Path, id: &TemplateId) -> Result<Self, BadTemplate> {
        let text = bounded(&folder.join("manifest.json"))
            .map_err(|error| BadTemplate::because(id, "its manifest can't be read", &error))?;
        let AnyVersion { version } = serde_json::from_slice(&text)
            .map_err(|error| BadTemplate::because(id, "its manifest is damaged", &error))?;
        if version != FORMAT_VERSION {
            let reason =
                format!("it has format version {version}, and this Thaw reads {FORMAT_VERSION}");
            return Err(BadTemplate::new(id, reason));
        }
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| BadTemplate::because(id, "its manifest is damaged", &error))?;
        if manifest.id != *id {
            let reason = format!("its manifest is that of template {}", manifest.id);
            return Err(BadTemplate::new(id, reason));
        }
        Ok(manifest)
    }
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_MANIFEST_BYTES {
        return Err(io::Error::other("it is larger than a manifest can be"));
    }
    fs::read(path)
}
