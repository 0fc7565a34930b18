//! Which name means which image.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::name::ImageName;
use crate::store::StoreError;
use crate::store::folder::{read_versioned, write_json};

const VERSION: u64 = 1;
const FILE: &str = "names.json";

/// The stored form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u64,
    names: BTreeMap<ImageName, Digest>,
}

/// Reads the names; a store without the file has none.
pub(crate) fn read(images: &Path) -> Result<BTreeMap<ImageName, Digest>, StoreError> {
    let path = images.join(FILE);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let stored: Stored = read_versioned(&path, VERSION)?;
    Ok(stored.names)
}

/// Writes the names in one step.
pub(crate) fn write(images: &Path, names: &BTreeMap<ImageName, Digest>) -> Result<(), StoreError> {
    let stored = Stored {
        version: VERSION,
        names: names.clone(),
    };
    write_json(images, FILE, &stored)
}
