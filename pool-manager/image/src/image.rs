//! One image: a root filesystem on disk and what its maker wanted run in it.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::name::ImageName;

/// The format of a root filesystem, so that the guest knows what to mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootFs {
    /// Written by Thaw out of layers or a tar.
    Squashfs,
    /// Taken as it was given.
    Ext4,
}

impl RootFs {
    /// The name under which Linux mounts it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Ext4 => "ext4",
        }
    }
}

/// What an image says about the programs run in it (the fields of an OCI image configuration that count here).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageConfig {
    /// Environment as `NAME=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`.
    pub user: Option<String>,
    /// What always comes first in the command line.
    pub entrypoint: Vec<String>,
    /// What comes after it when the caller gives nothing.
    pub cmd: Vec<String>,
}

/// An image in the store; its file never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its content address, see [`crate::store`].
    pub digest: Digest,
    /// Its names now, sorted. May be empty.
    pub names: Vec<ImageName>,
    /// Format of the root filesystem.
    pub fs: RootFs,
    /// Size of the root filesystem's file.
    pub size_bytes: u64,
    /// Environment, user and command of the image.
    pub config: ImageConfig,
    /// When it was added, seconds since 1970.
    pub created_at: u64,
    /// Where it came from, for people.
    pub source: String,
    pub(crate) root_digest: Digest,
    pub(crate) root: PathBuf,
}

/// Why a stored image cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The root file could not be read.
    #[error("reading the root filesystem of image {image}")]
    Read {
        /// The image.
        image: Digest,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The root file is not what was stored.
    #[error(
        "image {image} is damaged: its root filesystem hashes to {found} instead of {expected}; remove it and add it again"
    )]
    Damaged {
        /// The image.
        image: Digest,
        /// The hash in the manifest.
        expected: Digest,
        /// The hash of the file.
        found: Digest,
    },
}

impl Image {
    /// Opens the root filesystem read-only, for a VMM to inherit.
    ///
    /// # Errors
    /// Whatever opening fails with.
    pub fn open_root(&self) -> io::Result<File> {
        File::open(&self.root)
    }

    /// Hashes the whole root filesystem again and compares. Blocks for as long as reading takes.
    ///
    /// # Errors
    /// Fails when the file cannot be read or has changed.
    pub fn verify(&self) -> Result<(), VerifyError> {
        let found = self
            .open_root()
            .and_then(|mut file| Digest::of_reader(&mut file))
            .map_err(|source| VerifyError::Read {
                image: self.digest,
                source,
            })?;
        if found == self.root_digest {
            return Ok(());
        }
        Err(VerifyError::Damaged {
            image: self.digest,
            expected: self.root_digest,
            found,
        })
    }
}
