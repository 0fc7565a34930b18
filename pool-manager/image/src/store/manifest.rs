//! The manifest of a stored image.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::image::{Image, ImageConfig, RootFs};
use crate::store::StoreError;
use crate::store::folder::read_versioned;

/// Version of the manifest's format.
pub(crate) const VERSION: u64 = 1;
/// Its file in an image's folder.
pub(crate) const FILE: &str = "manifest.json";

/// What an image's folder says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) version: u64,
    pub(crate) root_sha256: Digest,
    pub(crate) fs: RootFs,
    pub(crate) size_bytes: u64,
    pub(crate) config: ImageConfig,
    pub(crate) created_at: u64,
    pub(crate) source: String,
}

/// What the digest covers. The order of the fields is the canonical order.
#[derive(Serialize)]
struct Identity<'a> {
    root_sha256: Digest,
    fs: RootFs,
    config: &'a ImageConfig,
}

impl Manifest {
    /// The image's content address.
    pub(crate) fn digest(&self) -> Result<Digest, StoreError> {
        let identity = Identity {
            root_sha256: self.root_sha256,
            fs: self.fs,
            config: &self.config,
        };
        serde_json::to_vec(&identity)
            .map(|bytes| Digest::of(&bytes))
            .map_err(StoreError::Encode)
    }

    /// Reads and checks the manifest of the image in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, StoreError> {
        read_versioned(&folder.join(FILE), VERSION)
    }

    /// The image that this describes, without names yet.
    pub(crate) fn into_image(self, folder: &Path) -> Result<Image, StoreError> {
        Ok(Image {
            digest: self.digest()?,
            names: Vec::new(),
            fs: self.fs,
            size_bytes: self.size_bytes,
            config: self.config,
            created_at: self.created_at,
            source: self.source,
            root_digest: self.root_sha256,
            root: folder.join(crate::work::ROOT_FILE),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What others store: changing either text needs a new version.
    #[test]
    fn the_stored_form_and_the_digest_are_pinned() {
        let manifest = Manifest {
            version: VERSION,
            root_sha256: Digest::of(b"root"),
            fs: RootFs::Squashfs,
            size_bytes: 4,
            config: ImageConfig {
                env: vec!["A=b".to_owned()],
                ..ImageConfig::default()
            },
            created_at: 7,
            source: "debian:bookworm".to_owned(),
        };
        assert_eq!(
            serde_json::to_string(&manifest).unwrap(),
            r#"{"version":1,"root_sha256":"sha256:4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2","fs":"squashfs","size_bytes":4,"config":{"env":["A=b"],"workdir":null,"user":null,"entrypoint":[],"cmd":[]},"created_at":7,"source":"debian:bookworm"}"#
        );
        let canonical = r#"{"root_sha256":"sha256:4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2","fs":"squashfs","config":{"env":["A=b"],"workdir":null,"user":null,"entrypoint":[],"cmd":[]}}"#;
        assert_eq!(manifest.digest().unwrap(), Digest::of(canonical.as_bytes()));
    }

    #[test]
    fn time_and_origin_do_not_change_the_digest_and_the_configuration_does() {
        let manifest = Manifest {
            version: VERSION,
            root_sha256: Digest::of(b"root"),
            fs: RootFs::Ext4,
            size_bytes: 4,
            config: ImageConfig::default(),
            created_at: 7,
            source: "a".to_owned(),
        };
        let later = Manifest {
            created_at: 8,
            source: "b".to_owned(),
            ..manifest.clone()
        };
        assert_eq!(manifest.digest().unwrap(), later.digest().unwrap());
        let mut other = manifest.clone();
        other.config.user = Some("1000".to_owned());
        assert_ne!(manifest.digest().unwrap(), other.digest().unwrap());
    }
}
