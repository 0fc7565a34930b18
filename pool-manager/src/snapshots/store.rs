//! The folder of snapshots.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tempfile::TempDir;
use thaw_image::{ImagePin, ImageStore};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    manifest::{BadSnapshot, Manifest},
    moment::Moment,
};
use crate::{SnapshotId, StoredSnapshot, TemplateId};

/// Moments that are held at once, each with up to a guest's memory and 64 MiB of disk in the host's memory. The next
/// one waits, before its VM is held up.
const MOMENTS_AT_ONCE: usize = 4;

/// What a folder that is still being written begins with.
const STAGING: &str = ".staging-";

/// The snapshots of one storage root. Only this writes the folder. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    images: Arc<ImageStore>,
    known: Mutex<BTreeMap<SnapshotId, Entry>>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Entry {
    state: Result<Known, BadSnapshot>,
    /// How many use its files now.
    uses: usize,
}

#[derive(Debug, Clone)]
struct Known {
    manifest: Arc<Manifest>,
    /// What was read of it, for as long as somebody restores from it.
    loaded: Weak<Moment>,
    /// Keeps its image from being removed; none where the image is not here.
    _image: Option<Arc<ImagePin>>,
}

/// The right to use a snapshot's files: it is not removed meanwhile.
#[derive(Debug)]
pub(super) struct Use {
    store: SnapshotStore,
    pub(super) manifest: Arc<Manifest>,
}

/// Why a snapshot was not removed.
#[derive(Debug)]
pub(super) enum NotRemoved {
    Unknown,
    InUse,
    Io(io::Error),
}

/// A snapshot's name that nobody else takes, and a folder to write it into; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    folder: TempDir,
}

impl SnapshotStore {
    /// Reads every manifest, and removes what a daemon that was killed left half-made.
    pub(crate) fn open(folder: &Path, images: Arc<ImageStore>) -> io::Result<Self> {
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
            let Ok(id) = SnapshotId::try_from(name) else {
                continue;
            };
            let state =
                Manifest::read(&entry.path(), &id).map(|manifest| known_of(&images, manifest));
            if let Err(bad) = &state {
                tracing::error!(snapshot = %id, "snapshot can't be used: {bad}");
            }
            known.insert(id, Entry { state, uses: 0 });
        }
        Ok(Self(Arc::new(Inner {
            folder: folder.to_owned(),
            images,
            known: Mutex::new(known),
            room: Arc::new(Semaphore::new(MOMENTS_AT_ONCE)),
        })))
    }

    /// Waits for room in memory for one more moment.
    ///
    /// # Cancel safety
    /// Nothing is taken.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it, so there is always one.
        Arc::clone(&self.0.room).acquire_owned().await.ok()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0.folder
    }

    pub(super) fn path(&self, id: &SnapshotId) -> PathBuf {
        self.0.folder.join(id.as_str())
    }

    pub(super) fn contains(&self, id: &SnapshotId) -> bool {
        self.lock().contains_key(id)
    }

    /// The snapshots, those that can't be used too. Blocks.
    pub(super) fn all(&self) -> Vec<StoredSnapshot> {
        let all: Vec<_> = self
            .lock()
            .values()
            .map(|entry| match &entry.state {
                Ok(known) => Ok(Arc::clone(&known.manifest)),
                Err(bad) => Err(bad.clone()),
            })
            .collect();
        all.into_iter()
            .map(|found| match found {
                Ok(manifest) => {
                    StoredSnapshot::Usable(manifest.info(self.disk_bytes(&manifest.id)))
                }
                Err(BadSnapshot { id, reason }) => StoredSnapshot::Unusable { id, reason },
            })
            .collect()
    }

    /// How many snapshots are differences to this template.
    pub(crate) fn of_template(&self, template: &TemplateId) -> usize {
        let known = self.lock();
        let of = |entry: &&Entry| {
            let known = entry.state.as_ref();
            known.is_ok_and(|known| known.manifest.template == *template)
        };
        known.values().filter(of).count()
    }

    /// What a snapshot takes on disk.
    pub(super) fn disk_bytes(&self, id: &SnapshotId) -> u64 {
        let Ok(entries) = fs::read_dir(self.path(id)) else {
            return 0;
        };
        let blocks = |entry: io::Result<fs::DirEntry>| Some(entry.ok()?.metadata().ok()?.blocks());
        entries.filter_map(blocks).sum::<u64>() * 512
    }

    /// The right to use a snapshot; none when there is no such snapshot.
    pub(super) fn begin_use(&self, id: &SnapshotId) -> Option<Result<Use, BadSnapshot>> {
        let mut known = self.lock();
        let entry = known.get_mut(id)?;
        Some(match &entry.state {
            Err(bad) => Err(bad.clone()),
            Ok(found) => {
                let manifest = Arc::clone(&found.manifest);
                entry.uses += 1;
                Ok(Use {
                    store: self.clone(),
                    manifest,
                })
            }
        })
    }

    /// A folder to write a new snapshot into.
    pub(super) fn stage(&self) -> io::Result<Staging> {
        let folder = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&self.0.folder)?;
        Ok(Staging { folder })
    }

    /// Makes a staged snapshot count: everything is on the disk before its name appears. False when
    /// another one of its name came first; nothing is kept then.
    pub(super) fn keep(&self, staging: Staging, manifest: Manifest) -> io::Result<bool> {
        manifest.write(staging.path())?;
        for entry in fs::read_dir(staging.path())? {
            File::open(entry?.path())?.sync_all()?;
        }
        File::open(staging.path())?.sync_all()?;
        let known = known_of(&self.0.images, manifest);
        let id = known.manifest.id.clone();
        {
            // Under the lock, so that of two with one name the second is refused.
            let mut entries = self.lock();
            if entries.contains_key(&id) {
                return Ok(false);
            }
            fs::rename(staging.path(), self.path(&id))?;
            let state = Ok(known);
            entries.insert(id, Entry { state, uses: 0 });
        }
        // The name is taken; nothing is left for the guard to remove.
        let _ = staging.folder.keep();
        File::open(&self.0.folder)?.sync_all()?;
        Ok(true)
    }

    /// From now on the snapshot is refused for this reason.
    pub(super) fn mark_bad(&self, bad: &BadSnapshot) {
        tracing::error!(snapshot = %bad.id, "snapshot can't be used: {bad}");
        if let Some(entry) = self.lock().get_mut(&bad.id) {
            entry.state = Err(bad.clone());
        }
    }

    /// Removes a snapshot that nobody uses. Blocks.
    pub(super) fn remove(&self, id: &SnapshotId) -> Result<(), NotRemoved> {
        // First out of sight, so that a kill in between leaves nothing half-removed under its name.
        let grave = self.stage().map_err(NotRemoved::Io)?;
        let mut known = self.lock();
        let entry = known.get(id).ok_or(NotRemoved::Unknown)?;
        if entry.uses > 0 {
            return Err(NotRemoved::InUse);
        }
        fs::rename(self.path(id), grave.path().join("removed")).map_err(NotRemoved::Io)?;
        known.remove(id);
        drop(known);
        grave.folder.close().map_err(NotRemoved::Io)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SnapshotId, Entry>> {
        // Every update is one insert, remove or assignment, so a panic elsewhere can't have left it half-done.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn known_of(images: &ImageStore, manifest: Manifest) -> Known {
    let image = images.find(&manifest.image);
    let pin = image.and_then(|image| images.pin(&image.digest));
    Known {
        manifest: Arc::new(manifest),
        loaded: Weak::new(),
        _image: pin.map(Arc::new),
    }
}

impl Use {
    /// What somebody else has read of it.
    pub(super) fn loaded(&self) -> Option<Arc<Moment>> {
        let known = self.store.lock();
        let found = known.get(&self.manifest.id)?.state.as_ref().ok()?;
        found.loaded.upgrade()
    }

    /// Shares what was read with whoever comes while it is used.
    pub(super) fn share(&self, moment: &Arc<Moment>) {
        if let Some(entry) = self.store.lock().get_mut(&self.manifest.id)
            && let Ok(known) = &mut entry.state
        {
            known.loaded = Arc::downgrade(moment);
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if let Some(entry) = self.store.lock().get_mut(&self.manifest.id) {
            entry.uses -= 1;
        }
    }
}

impl Staging {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::tests::manifest, *};

    fn open(root: &Path) -> SnapshotStore {
        let images = Arc::new(ImageStore::open(&root.join("images")).unwrap());
        SnapshotStore::open(&root.join("snapshots"), images).unwrap()
    }

    fn keep(store: &SnapshotStore, id: &str) -> bool {
        store.keep(store.stage().unwrap(), manifest(id)).unwrap()
    }

    #[test]
    fn a_kept_snapshot_is_found_again_and_its_name_is_taken_once() {
        let root = tempfile::tempdir().unwrap();
        assert!(keep(&open(root.path()), "snap-1"));
        let store = open(root.path());
        assert!(!keep(&store, "snap-1"));
        let all = store.all();
        assert!(matches!(&all[..], [StoredSnapshot::Usable(info)] if info.id.as_str() == "snap-1"));
        assert_eq!(store.of_template(&manifest("snap-1").template), 1);
        assert_eq!(fs::read_dir(store.folder()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_used_is_not_removed() {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path());
        keep(&store, "snap-1");
        let id = manifest("snap-1").id;
        let used = store.begin_use(&id).unwrap().unwrap();
        assert!(matches!(store.remove(&id), Err(NotRemoved::InUse)));
        drop(used);
        store.remove(&id).unwrap();
        assert!(store.begin_use(&id).is_none());
        assert!(matches!(store.remove(&id), Err(NotRemoved::Unknown)));
        assert_eq!(fs::read_dir(store.folder()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_half_made_is_removed_and_what_is_broken_is_kept_refused_and_can_be_removed() {
        let root = tempfile::tempdir().unwrap();
        keep(&open(root.path()), "snap-1");
        keep(&open(root.path()), "snap-2");
        let folder = root.path().join("snapshots");
        fs::create_dir(folder.join(".staging-left")).unwrap();
        fs::write(folder.join(".staging-left/delta.bin"), "half").unwrap();
        fs::write(folder.join("snap-1/manifest.json"), "{").unwrap();
        let store = open(root.path());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        let id = manifest("snap-1").id;
        let bad = store.begin_use(&id).unwrap().unwrap_err().to_string();
        assert!(bad.contains("`thaw snapshot rm snap-1`"), "{bad}");
        assert!(!keep(&store, "snap-1"));
        let all = store.all();
        let unusable: Vec<_> = all.iter().filter(|one| one.unusable().is_some()).collect();
        assert!(matches!(&unusable[..], [one] if *one.id() == id));
        assert_eq!(all.len(), 2, "one that is broken hides no other");
        store.remove(&id).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
