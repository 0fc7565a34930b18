//! The folder of templates.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use tempfile::TempDir;

use super::manifest::{BadTemplate, Manifest};
use crate::TemplateId;

/// What a folder that is still being written begins with.
const STAGING: &str = ".staging-";

type Known = Result<Arc<Manifest>, BadTemplate>;

/// The templates of one storage root. Only this writes the folder.
#[derive(Debug)]
pub(crate) struct TemplateStore {
    folder: PathBuf,
    known: RwLock<BTreeMap<TemplateId, Known>>,
}

impl TemplateStore {
    /// Reads every manifest, and removes what a daemon that was killed left half-made.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut known = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.starts_with(STAGING) {
                fs::remove_dir_all(entry.path())?;
                continue;
            }
            let id = TemplateId(name);
            if !is_id(&id) {
                continue;
            }
            let manifest = Manifest::read(&entry.path(), &id).map(Arc::new);
            if let Err(bad) = &manifest {
                tracing::warn!(template = %id, "template can't be used: {bad}");
            }
            known.insert(id, manifest);
        }
        Ok(Self {
            folder: folder.to_owned(),
            known: RwLock::new(known),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The template's manifest, or why it must not be used; none when there is no such template.
    pub(crate) fn find(&self, id: &TemplateId) -> Option<Known> {
        self.read().get(id).cloned()
    }

    /// The templates that can be used.
    pub(crate) fn list(&self) -> Vec<Arc<Manifest>> {
        self.read()
            .values()
            .filter_map(|known| known.clone().ok())
            .collect()
    }

    pub(crate) fn path(&self, id: &TemplateId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// What the template takes on disk.
    pub(crate) fn disk_bytes(&self, id: &TemplateId) -> u64 {
        let Ok(entries) = fs::read_dir(self.path(id)) else {
            return 0;
        };
        let blocks = |entry: io::Result<fs::DirEntry>| Some(entry.ok()?.metadata().ok()?.blocks());
        entries.filter_map(blocks).sum::<u64>() * 512
    }

    /// A folder to write a new template into; it is gone when it is dropped without being kept.
    pub(crate) fn stage(&self) -> io::Result<Staging> {
        let folder = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&self.folder)?;
        Ok(Staging { folder })
    }

    /// Makes a staged template count: everything is on the disk before its name appears.
    pub(crate) fn keep(&self, staging: Staging, manifest: Manifest) -> io::Result<Arc<Manifest>> {
        let id = manifest.id.clone();
        let text = serde_json::to_vec_pretty(&manifest)?;
        fs::write(staging.path().join("manifest.json"), text)?;
        for entry in fs::read_dir(staging.path())? {
            File::open(entry?.path())?.sync_all()?;
        }
        File::open(staging.path())?.sync_all()?;
        fs::rename(staging.path(), self.path(&id))?;
        // The name is taken; nothing is left for the guard to remove.
        let _ = staging.folder.keep();
        File::open(&self.folder)?.sync_all()?;
        let manifest = Arc::new(manifest);
        self.write().insert(id, Ok(Arc::clone(&manifest)));
        Ok(manifest)
    }

    /// From now on the template is refused for this reason.
    pub(crate) fn mark_bad(&self, bad: BadTemplate) {
        self.write().insert(bad.id.clone(), Err(bad));
    }

    /// Removes a template; false when there is none.
    pub(crate) fn remove(&self, id: &TemplateId) -> io::Result<bool> {
        if self.write().remove(id).is_none() {
            return Ok(false);
        }
        // First out of sight, so that a kill in between leaves nothing half-removed under its name.
        let grave = self.stage()?;
        fs::rename(self.path(id), grave.path().join("removed"))?;
        grave.folder.close()?;
        Ok(true)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<TemplateId, Known>> {
        // Every update is one insert or remove, so a panic elsewhere can't have left it half-done.
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<TemplateId, Known>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A template that is being written.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: TempDir,
}

impl Staging {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn is_id(id: &TemplateId) -> bool {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.as_str().len() == 16 && id.as_str().bytes().all(digits)
}

#[cfg(test)]
mod tests {
    use thaw_image::ImageConfig;
    use thaw_vmm::{EngineIdentity, Shape};

    use super::*;

    const ID: &str = "0123456789abcdef";

    fn manifest() -> Manifest {
        Manifest {
            version: 2,
            id: TemplateId(ID.into()),
            image: "sha256:00".into(),
            config: ImageConfig::default(),
            shape: Shape {
                vcpus: 1,
                memory_mib: 128,
            },
            memory: crate::TemplateFormat::Plain,
            engine: EngineIdentity {
                name: "fake".into(),
                version: "1".into(),
                accelerator: "none".into(),
                transport: "serial".into(),
                machine: "m".to_owned(),
            },
            kernel: "6.1".into(),
            agent: "0.1".into(),
            protocol: 1,
            languages: Vec::new(),
            scratch_bytes: 1 << 20,
            scratch_sha256: String::new(),
            state_sha256: String::new(),
            created_at: 0,
            bake_ms: 0,
            boot_ms: 0,
            function: None,
        }
    }

    fn kept(folder: &Path) -> PathBuf {
        let store = TemplateStore::open(folder).unwrap();
        let staging = store.stage().unwrap();
        store.keep(staging, manifest()).unwrap();
        store.path(&manifest().id)
    }

    fn reason(folder: &Path) -> String {
        let store = TemplateStore::open(folder).unwrap();
        store.find(&manifest().id).unwrap().unwrap_err().to_string()
    }

    #[test]
    fn a_kept_template_is_found_again_and_leaves_no_staging_folder() {
        let folder = tempfile::tempdir().unwrap();
        kept(folder.path());
        let store = TemplateStore::open(folder.path()).unwrap();
        assert_eq!(*store.find(&manifest().id).unwrap().unwrap(), manifest());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(store.remove(&manifest().id).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(!store.remove(&manifest().id).unwrap());
    }

    #[test]
    fn what_a_killed_daemon_left_half_made_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".staging-left")).unwrap();
        fs::write(folder.path().join(".staging-left/memory.bin"), "half").unwrap();
        let store = TemplateStore::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(store.stage().unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_manifest_of_another_version_or_damaged_is_refused_with_its_mend() {
        let folder = tempfile::tempdir().unwrap();
        let path = kept(folder.path()).join("manifest.json");
        fs::write(&path, r#"{"version":7,"from":"the future"}"#).unwrap();
        assert_eq!(
            reason(folder.path()),
            format!(
                "it has format version 7, and this Thaw reads 2; remove it with `thaw template rm {ID}`, and it is baked anew when it is next needed"
            )
        );
        fs::write(&path, r#"{"version":2,"id"#).unwrap();
        assert!(reason(folder.path()).starts_with("its manifest is damaged: "));
        fs::remove_file(&path).unwrap();
        assert!(reason(folder.path()).starts_with("its manifest can't be read: "));
    }

    #[test]
    fn the_stored_format_is_pinned() {
        let text = serde_json::to_string(&manifest()).unwrap();
        assert_eq!(
            text,
            r#"{"version":2,"id":"0123456789abcdef","image":"sha256:00","config":{"env":[],"workdir":null,"user":null,"entrypoint":[],"cmd":[]},"shape":{"vcpus":1,"memory_mib":128},"memory":"plain","engine":{"name":"fake","version":"1","accelerator":"none","transport":"serial","machine":"m"},"kernel":"6.1","agent":"0.1","protocol":1,"languages":[],"scratch_bytes":1048576,"scratch_sha256":"","state_sha256":"","created_at":0,"bake_ms":0}"#
        );
    }
}
