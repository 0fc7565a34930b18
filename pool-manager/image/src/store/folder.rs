//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{NamedTempFile, TempDir};

use crate::store::StoreError;
use crate::store::error::io_error;

/// How the folders of images that are being made (or removed) begin.
pub(crate) const STAGING: &str = ".staging-";

/// A new staging folder, 0700, that removes itself.
pub(crate) fn staging(images: &Path) -> Result<TempDir, StoreError> {
    tempfile::Builder::new()
        .prefix(STAGING)
        .tempdir_in(images)
        .map_err(io_error("make a staging folder in", images))
}

/// Writes `value` as JSON to `folder/name` in one step that survives a power cut.
pub(crate) fn write_json(
    folder: &Path,
    name: &str,
    value: &impl Serialize,
) -> Result<(), StoreError> {
    let path = folder.join(name);
    let bytes = serde_json::to_vec_pretty(value).map_err(StoreError::Encode)?;
    let mut file = tempfile::Builder::new()
        .prefix(STAGING)
        .tempfile_in(folder)
        .map_err(io_error("write", &path))?;
    let written = file
        .write_all(&bytes)
        .and_then(|()| file.as_file().sync_all());
    written.map_err(io_error("write", &path))?;
    let persist = |file: NamedTempFile| file.persist(&path).map_err(|e| e.error);
    persist(file).map_err(io_error("put in place", &path))?;
    sync(folder)
}

/// Flushes a file, or the entries of a folder.
pub(crate) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io_error("flush", path))
}

/// Reads a document whose `version` is looked at before anything else of it.
pub(crate) fn read_versioned<T: DeserializeOwned>(
    path: &Path,
    known: u64,
) -> Result<T, StoreError> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: u64,
    }
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    let damaged = |source| StoreError::Damaged {
        path: path.to_owned(),
        source,
    };
    let Version { version: found } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if found != known {
        return Err(StoreError::UnknownVersion {
            path: path.to_owned(),
            found,
            known,
        });
    }
    serde_json::from_slice(&bytes).map_err(damaged)
}
