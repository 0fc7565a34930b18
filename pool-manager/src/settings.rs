//! The bounds that pools were given, kept across restarts in `pools.json`. (They move to the node's
//! database when there is one.)

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{PoolSettings, TemplateId};

/// The version of the file's format; another one is refused by name.
const FORMAT_VERSION: u32 = 1;

/// The file can't be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// It can't be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is damaged.
    #[error("{path} is damaged; remove it, and the pools have their default bounds again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// Of another version.
    #[error("{path} has format version {found}, and this Thaw reads {FORMAT_VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    version: u32,
    pools: BTreeMap<TemplateId, PoolSettings>,
}

#[derive(Debug)]
pub(crate) struct StoredSettings {
    path: PathBuf,
    pools: Mutex<BTreeMap<TemplateId, PoolSettings>>,
}

impl StoredSettings {
    pub(crate) fn open(root: &Path) -> Result<Self, SettingsError> {
        let path = root.join("pools.json");
        let pools = match fs::read(&path) {
            Ok(text) => parse(&path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(SettingsError::Read { path, source }),
        };
        Ok(Self {
            path,
            pools: Mutex::new(pools),
        })
    }

    pub(crate) fn get(&self, template: &TemplateId) -> Option<PoolSettings> {
        self.lock().get(template).copied()
    }

    pub(crate) fn templates(&self) -> Vec<TemplateId> {
        self.lock().keys().cloned().collect()
    }

    /// Keeps the bounds; the file changes as a whole or not at all.
    pub(crate) fn set(&self, template: &TemplateId, settings: PoolSettings) -> io::Result<()> {
        self.change(|pools| {
            pools.insert(template.clone(), settings);
        })
    }

    pub(crate) fn remove(&self, template: &TemplateId) -> io::Result<()> {
        if self.get(template).is_none() {
            return Ok(());
        }
        self.change(|pools| {
            pools.remove(template);
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<TemplateId, PoolSettings>),
    ) -> io::Result<()> {
        let mut pools = self.lock();
        let mut changed = pools.clone();
        change(&mut changed);
        let stored = Stored {
            version: FORMAT_VERSION,
            pools: changed,
        };
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(&stored)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        File::open(folder)?.sync_all()?;
        *pools = stored.pools;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TemplateId, PoolSettings>> {
        // It is replaced as a whole, so a panic elsewhere can't have left it half-done.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<BTreeMap<TemplateId, PoolSettings>, SettingsError> {
    let stored: Stored = serde_json::from_slice(text).map_err(|source| SettingsError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    if stored.version != FORMAT_VERSION {
        return Err(SettingsError::Version {
            path: path.to_owned(),
            found: stored.version,
        });
    }
    Ok(stored.pools)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn bounds_survive_and_other_versions_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let id = TemplateId("0123456789abcdef".into());
        let settings = PoolSettings {
            min: 2,
            max: 4,
            idle: Duration::from_secs(9),
        };
        StoredSettings::open(folder.path())
            .unwrap()
            .set(&id, settings)
            .unwrap();
        let stored = StoredSettings::open(folder.path()).unwrap();
        assert_eq!(stored.get(&id), Some(settings));
        stored.remove(&id).unwrap();
        assert!(
            StoredSettings::open(folder.path())
                .unwrap()
                .templates()
                .is_empty()
        );
        fs::write(
            folder.path().join("pools.json"),
            r#"{"version":2,"pools":{}}"#,
        )
        .unwrap();
        let refused = StoredSettings::open(folder.path()).unwrap_err();
        assert!(matches!(refused, SettingsError::Version { found: 2, .. }));
    }
}
