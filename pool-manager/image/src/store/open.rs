//! Opening the store, and looking things up in it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::digest::Digest;
use crate::image::Image;
use crate::layers::Limits;
use crate::name::ImageName;
use crate::sources::DockerEndpoint;
use crate::store::StoreError;
use crate::store::error::io_error;
use crate::store::folder::STAGING;
use crate::store::manifest::Manifest;
use crate::store::names;

/// Images made at once. Further callers of `add` wait in the order in which they came.
const PARALLEL_ADDS: usize = 2;
/// Shortest beginning of a digest that stands for it, in hex digits.
const MIN_PREFIX: usize = 12;

/// How a store behaves.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// Bounds of one image.
    pub limits: Limits,
    /// The Docker daemon as `unix:///path` or `tcp://host:port`. Default: `DOCKER_HOST`, else the usual socket.
    pub docker_host: Option<String>,
}

/// The images of one node: the folder `images/` of the storage root. One per process and folder; clones share it.
#[derive(Debug, Clone)]
pub struct ImageStore {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) images: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) docker: DockerEndpoint,
    pub(crate) adds: Semaphore,
    /// What must still be tidied up at the Docker daemon.
    pub(crate) cleanups: TaskTracker,
    state: Mutex<State>,
}

/// What is in the store. Changed only under its lock, and on disk before in memory.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) images: BTreeMap<Digest, Arc<Image>>,
    pub(crate) names: BTreeMap<ImageName, Digest>,
    pub(crate) pins: HashMap<Digest, usize>,
}

impl ImageStore {
    /// Opens the store in `dir`, which is made (0700) where it is not there.
    ///
    /// What a killed process left half-made is removed.
    ///
    /// # Errors
    /// Fails on a folder that cannot be used, and on an image of an unknown version or with a damaged manifest, by its name.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, StoreOptions::default())
    }

    /// [`ImageStore::open`] with other than the usual options.
    ///
    /// # Errors
    /// As [`ImageStore::open`].
    pub fn open_with(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(dir);
        made.map_err(io_error("make", dir))?;
        let private = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
        private.map_err(io_error("make private", dir))?;
        let images_dir = dir.canonicalize().map_err(io_error("find", dir))?;
        let images = read_images(&images_dir)?;
        let mut names = names::read(&images_dir)?;
        // An image is removed after its names, so a name without an image was never one.
        names.retain(|_, digest| images.contains_key(digest));
        let mut state = State {
            images,
            names,
            pins: HashMap::new(),
        };
        let digests: Vec<Digest> = state.images.keys().copied().collect();
        for digest in digests {
            state.refresh(digest);
        }
        let docker = options
            .docker_host
            .map_or(DockerEndpoint::Usual, DockerEndpoint::At);
        Ok(Self {
            inner: Arc::new(Inner {
                images: images_dir,
                limits: options.limits,
                docker,
                adds: Semaphore::new(PARALLEL_ADDS),
                cleanups: TaskTracker::new(),
                state: Mutex::new(state),
            }),
        })
    }

    /// Looks an image up by its name in a folder that may be another process's store. Changes nothing there.
    ///
    /// # Errors
    /// Fails when the folder or the image can't be read.
    pub fn look_up(dir: &Path, name: &ImageName) -> Result<Option<Image>, StoreError> {
        let Some(digest) = names::read(dir)?.get(name).copied() else {
            return Ok(None);
        };
        read_image(&dir.join(digest.hex())).map(Some)
    }

    /// All images, by digest.
    pub fn list(&self) -> Vec<Arc<Image>> {
        self.inner.state().images.values().cloned().collect()
    }

    /// The image with this name, this digest, or a digest that alone begins so (12 hex digits at least).
    pub fn find(&self, name_or_digest: &str) -> Option<Arc<Image>> {
        self.inner.state().find(name_or_digest)
    }

    /// Waits until what builds left at the Docker daemon is tidied up. For the end of the process.
    pub async fn close(&self) {
        self.inner.cleanups.close();
        self.inner.cleanups.wait().await;
    }
}

impl Inner {
    /// The state. A panic under the lock leaves it as it was: every change is one assignment at the end.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Image>> {
        let name: Option<ImageName> = text.parse().ok();
        if let Some(digest) = name.and_then(|name| self.names.get(&name)) {
            return self.images.get(digest).cloned();
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if digits.len() < MIN_PREFIX {
            return None;
        }
        let mut found = self
            .images
            .values()
            .filter(|image| image.digest.hex().starts_with(digits));
        match (found.next(), found.next()) {
            (Some(only), None) => Some(Arc::clone(only)),
            _ => None,
        }
    }

    /// Makes the image's own list of names what the map says.
    pub(crate) fn refresh(&mut self, digest: Digest) {
        let named = self.names.iter().filter(|(_, d)| **d == digest);
        let names: Vec<ImageName> = named.map(|(name, _)| name.clone()).collect();
        if let Some(image) = self.images.get_mut(&digest) {
            let mut changed = Image::clone(image);
            changed.names = names;
            *image = Arc::new(changed);
        }
    }
}

fn read_images(images: &Path) -> Result<BTreeMap<Digest, Arc<Image>>, StoreError> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(images).map_err(io_error("list", images))? {
        let entry = entry.map_err(io_error("list", images))?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(STAGING) {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_dir {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(io_error("remove the left-over", &path))?;
            continue;
        }
        let Ok(digest) = format!("sha256:{name}").parse::<Digest>() else {
            continue;
        };
        let image = read_image(&path)?;
        if image.digest != digest {
            return Err(StoreError::Misplaced { path });
        }
        found.insert(digest, Arc::new(image));
    }
    Ok(found)
}

fn read_image(folder: &Path) -> Result<Image, StoreError> {
    let image = Manifest::read(folder)?.into_image(folder)?;
    let len = fs::metadata(&image.root)
        .map_err(io_error("find", &image.root))?
        .len();
    if len != image.size_bytes {
        return Err(StoreError::WrongSize {
            path: image.root,
            expected: image.size_bytes,
            found: len,
        });
    }
    Ok(image)
}
