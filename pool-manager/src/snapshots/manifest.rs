//! A snapshot's description of itself.

use std::{fs, io, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use thaw_image::ImageConfig;
use thaw_vmm::{EngineIdentity, Shape, protocol::Handover};
use thiserror::Error;

use crate::{SnapshotId, SnapshotInfo, TemplateId, template::sha256};

/// The version of the folder's format; another one is refused by name.
pub(super) const FORMAT_VERSION: u32 = 1;

/// The largest manifest that is read.
const MAX_BYTES: u64 = 1 << 20;

/// What a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) id: SnapshotId,
    /// The template that the difference is to.
    pub(super) template: TemplateId,
    /// The image's digest.
    pub(super) image: String,
    pub(super) config: ImageConfig,
    pub(super) shape: Shape,
    pub(super) engine: EngineIdentity,
    /// The word that was left with its agent.
    pub(super) handover: Handover,
    /// The length of the scratch disk.
    pub(super) scratch_bytes: u64,
    /// SHA-256 of the data of scratch.img, in hex.
    pub(super) scratch_sha256: String,
    /// SHA-256 of state.bin, in hex.
    pub(super) state_sha256: String,
    /// What delta.bin holds; its checksums are its own.
    pub(super) memory_bytes: u64,
    /// Seconds since 1970-01-01 UTC.
    pub(super) created_at: u64,
    pub(super) paused_us: u64,
    pub(super) total_us: u64,
}

/// What `manifest.json` holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// [`FORMAT_VERSION`].
    version: u32,
    /// SHA-256 of the snapshot's own JSON, in hex.
    sha256: String,
    snapshot: Manifest,
}

/// What every version of it has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

/// A snapshot that must not be used. The message names the mend.
#[derive(Debug, Clone, Error)]
#[error("{reason}; remove it with `thaw snapshot rm {id}`")]
pub(crate) struct BadSnapshot {
    pub(super) id: SnapshotId,
    pub(super) reason: String,
}

impl BadSnapshot {
    pub(super) fn new(id: &SnapshotId, reason: impl Into<String>) -> Self {
        Self {
            id: id.clone(),
            reason: reason.into(),
        }
    }

    /// With the causes of the error, down to the first.
    pub(super) fn because(id: &SnapshotId, what: &str, error: &dyn std::error::Error) -> Self {
        Self::new(id, format!("{what}: {}", crate::error::chain(error)))
    }
}

impl Manifest {
    pub(super) fn info(&self, disk_bytes: u64) -> SnapshotInfo {
        SnapshotInfo {
            id: self.id.clone(),
            template: self.template.clone(),
            image: self.image.clone(),
            shape: self.shape,
            memory_bytes: self.memory_bytes,
            disk_bytes,
            created_at: self.created_at,
            paused: Duration::from_micros(self.paused_us),
            total: Duration::from_micros(self.total_us),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let stored = Stored {
            version: FORMAT_VERSION,
            sha256: self.checksum()?,
            snapshot: self.clone(),
        };
        let text = serde_json::to_vec_pretty(&stored)?;
        fs::write(folder.join("manifest.json"), text)
    }

    /// Reads the manifest of the snapshot `id` in `folder`.
    pub(super) fn read(folder: &Path, id: &SnapshotId) -> Result<Self, BadSnapshot> {
        let damaged = |error: &dyn std::error::Error| {
            BadSnapshot::because(id, "its manifest is damaged", error)
        };
        let text = bounded(&folder.join("manifest.json"))
            .map_err(|error| BadSnapshot::because(id, "its manifest can't be read", &error))?;
        let AnyVersion { version } = serde_json::from_slice(&text).map_err(|e| damaged(&e))?;
        if version != FORMAT_VERSION {
            let reason =
                format!("it has format version {version}, and this Thaw reads {FORMAT_VERSION}");
            return Err(BadSnapshot::new(id, reason));
        }
        let stored: Stored = serde_json::from_slice(&text).map_err(|e| damaged(&e))?;
        let manifest = stored.snapshot;
        if manifest.checksum().map_err(|e| damaged(&e))? != stored.sha256 {
            return Err(BadSnapshot::new(id, "its manifest fails its checksum"));
        }
        if manifest.id != *id {
            let reason = format!("its manifest is that of snapshot {}", manifest.id);
            return Err(BadSnapshot::new(id, reason));
        }
        Ok(manifest)
    }

    fn checksum(&self) -> io::Result<String> {
        Ok(sha256(&serde_json::to_vec(self)?))
    }
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::other("it is larger than a manifest can be"));
    }
    fs::read(path)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn manifest(id: &str) -> Manifest {
        Manifest {
            id: SnapshotId::try_from(id.to_owned()).unwrap(),
            template: TemplateId("0123456789abcdef".into()),
            image: "sha256:00".into(),
            config: ImageConfig::default(),
            shape: Shape {
                vcpus: 1,
                memory_mib: 128,
            },
            engine: EngineIdentity {
                name: "fake".into(),
                version: "1".into(),
                accelerator: "none".into(),
                transport: "serial".into(),
                machine: "m".to_owned(),
            },
            handover: Handover::new(*b"0123456789abcdef"),
            scratch_bytes: 1 << 20,
            scratch_sha256: String::new(),
            state_sha256: String::new(),
            memory_bytes: 4096,
            created_at: 0,
            paused_us: 12_800,
            total_us: 50_000,
        }
    }

    #[test]
    fn the_stored_format_is_pinned() {
        let folder = tempfile::tempdir().unwrap();
        let written = manifest("snap-1");
        written.write(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join("manifest.json")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            serde_json::to_string(&value["snapshot"]).unwrap(),
            r#"{"config":{"cmd":[],"entrypoint":[],"env":[],"user":null,"workdir":null},"created_at":0,"engine":{"accelerator":"none","machine":"m","name":"fake","transport":"serial","version":"1"},"handover":"MDEyMzQ1Njc4OWFiY2RlZg==","id":"snap-1","image":"sha256:00","memory_bytes":4096,"paused_us":12800,"scratch_bytes":1048576,"scratch_sha256":"","shape":{"memory_mib":128,"vcpus":1},"state_sha256":"","template":"0123456789abcdef","total_us":50000}"#
        );
        assert_eq!(
            (&value["version"], &value["sha256"]),
            (&1.into(), &written.checksum().unwrap().into())
        );
        assert_eq!(Manifest::read(folder.path(), &written.id).unwrap(), written);
    }

    #[test]
    fn another_version_another_id_and_damage_are_refused_with_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        let written = manifest("snap-1");
        let refused = |id: &str| {
            let id = SnapshotId::try_from(id.to_owned()).unwrap();
            Manifest::read(folder.path(), &id).unwrap_err().to_string()
        };
        assert!(refused("snap-1").starts_with("its manifest can't be read: "));
        written.write(folder.path()).unwrap();
        assert_eq!(
            refused("snap-2"),
            "its manifest is that of snapshot snap-1; remove it with `thaw snapshot rm snap-2`"
        );
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("12800", "12801")).unwrap();
        assert!(refused("snap-1").starts_with("its manifest fails its checksum; "));
        fs::write(&path, r#"{"version":7,"from":"the future"}"#).unwrap();
        assert!(refused("snap-1").starts_with("it has format version 7, and this Thaw reads 1; "));
        fs::write(&path, r#"{"version":1,"#).unwrap();
        assert!(refused("snap-1").starts_with("its manifest is damaged: "));
    }
}
