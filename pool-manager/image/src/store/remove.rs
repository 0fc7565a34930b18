//! Taking names and images away.

use std::fs;

use crate::digest::Digest;
use crate::name::ImageName;
use crate::store::error::io_error;
use crate::store::folder::{staging, sync};
use crate::store::open::{Inner, State};
use crate::store::{ImageStore, RemoveError, StoreError, names};

/// What a removal took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedImage {
    /// The image meant.
    pub digest: Digest,
    /// The names that went.
    pub names: Vec<ImageName>,
    /// Whether its files went too; otherwise other names keep it.
    pub deleted: bool,
}

impl ImageStore {
    /// Takes a name away; the image goes with its last name. Given a digest, takes all its names and the image.
    ///
    /// # Errors
    /// Fails when there is no such image, and when the image would go but is pinned: then nothing is changed.
    pub fn remove(&self, name_or_digest: &str) -> Result<RemovedImage, RemoveError> {
        let mut state = self.inner.state();
        let not_found = || RemoveError::NotFound(name_or_digest.chars().take(200).collect());
        let image = state.find(name_or_digest).ok_or_else(not_found)?;
        let digest = image.digest;
        let by_name = image
            .names
            .iter()
            .find(|name| name.as_str() == name_or_digest);
        let gone = match by_name {
            Some(name) => vec![name.clone()],
            None => image.names.clone(),
        };
        let deleted = gone.len() == image.names.len();
        let users = state.pins.get(&digest).copied().unwrap_or(0);
        if deleted && users > 0 {
            return Err(RemoveError::InUse { digest, users });
        }
        let mut left = state.names.clone();
        left.retain(|name, _| !gone.contains(name));
        names::write(&self.inner.images, &left)?;
        state.names = left;
        state.refresh(digest);
        if deleted {
            self.inner.delete(&mut state, digest)?;
        }
        Ok(RemovedImage {
            digest,
            names: gone,
            deleted,
        })
    }
}

impl Inner {
    /// Moves the folder out of sight in one step, then removes it. VMMs that still hold the file keep it open.
    pub(crate) fn delete(&self, state: &mut State, digest: Digest) -> Result<(), StoreError> {
        let bin = staging(&self.images)?;
        let folder = self.images.join(digest.hex());
        fs::rename(&folder, bin.path().join("image")).map_err(io_error("take away", &folder))?;
        state.images.remove(&digest);
        sync(&self.images)?;
        let path = bin.path().to_owned();
        bin.close().map_err(io_error("remove", path))
    }
}
