//! Adding an image: made in a staging folder, then put in place in one step.

use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::builders::write_squashfs;
use crate::digest::Digest;
use crate::error::AddError;
use crate::image::{Image, ImageConfig, RootFs};
use crate::name::ImageName;
use crate::progress::{Progress, ProgressSink};
use crate::sources::{
    self, ArchiveError, Daemon, ImageSource, RegistryAuth, Root, Upload, debian, docker_archive,
    oci_archive,
};
use crate::store::error::io_error;
use crate::store::folder::{staging, sync, write_json};
use crate::store::manifest::{self, Manifest};
use crate::store::open::Inner;
use crate::store::{ImageStore, StoreError, names};
use crate::work::{ROOT_FILE, Work, blocking};

/// What a caller may say about an image besides its source.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// Its name. Without one, `docker:` and `registry:` images are named as they were asked for, others have none.
    /// A name that another image has moves; an image that thereby loses its last name goes, unless it is pinned.
    pub name: Option<ImageName>,
    /// For the registry.
    pub auth: Option<RegistryAuth>,
}

impl ImageStore {
    /// Gets or makes the image, stores it, and names it.
    ///
    /// At most two run at once; the others wait in turn.
    ///
    /// # Errors
    /// See [`AddError::kind`]. Nothing half-made is stored.
    ///
    /// # Cancel safety
    /// Dropping the future ends what it started and removes the staging folder as soon as the last step has let go of it.
    pub async fn add(
        &self,
        source: ImageSource,
        options: AddOptions,
        progress: &ProgressSink,
    ) -> Result<Arc<Image>, AddError> {
        let name = match (options.name, source.default_name()) {
            (Some(name), _) => Some(name),
            (None, Some(name)) => Some(name.parse()?),
            (None, None) => None,
        };
        progress.report(Progress::Queued);
        // The semaphore is never closed.
        let _turn = self.inner.adds.acquire().await.ok();
        let staged = staging(&self.inner.images)?;
        let (work, _guard) = Work::new(staged, self.inner.limits, progress.clone());
        let root = self.fetch(&work, &source, options.auth.as_ref()).await?;
        let (fs, config) = match root {
            Root::Tree(tree, config) => {
                let path = work.folder().join(ROOT_FILE);
                write_squashfs(&work, tree, &path).await?;
                (RootFs::Squashfs, config)
            }
            Root::File(fs) => (fs, ImageConfig::default()),
        };
        work.report(Progress::Storing);
        let inner = Arc::clone(&self.inner);
        let source = source.to_string();
        blocking(move || Ok(inner.commit(&work, fs, config, source, name)?)).await
    }

    async fn fetch(
        &self,
        work: &Work,
        source: &ImageSource,
        auth: Option<&RegistryAuth>,
    ) -> Result<Root, AddError> {
        let inner = &self.inner;
        match source {
            ImageSource::Docker { reference } => {
                let daemon = Daemon::connect(&inner.docker).await?;
                daemon.read_image(work, reference).await
            }
            ImageSource::Registry { reference } => sources::registry(work, reference, auth).await,
            ImageSource::OciArchive(upload) => read(work, upload, oci_archive).await,
            ImageSource::DockerArchive(upload) => read(work, upload, docker_archive).await,
            ImageSource::Debian { suite, packages } => debian(work, suite, packages).await,
            ImageSource::Dockerfile {
                context,
                build_args,
            } => {
                let daemon = Daemon::connect(&inner.docker).await?;
                sources::dockerfile(work, &daemon, context, build_args, &inner.cleanups).await
            }
            ImageSource::RootFs(upload) => {
                let (work, upload) = (work.clone(), upload.clone());
                blocking(move || sources::rootfs(&work, &upload)).await
            }
        }
    }
}

async fn read(
    work: &Work,
    upload: &Upload,
    step: fn(&Work, fs::File) -> Result<Root, AddError>,
) -> Result<Root, AddError> {
    let (work, path) = (work.clone(), upload.path.clone());
    blocking(move || {
        let file = fs::File::open(path).map_err(ArchiveError::Read)?;
        step(&work, file)
    })
    .await
}

impl Inner {
    /// Puts what lies in the staging folder in place, and names it.
    fn commit(
        &self,
        work: &Work,
        fs: RootFs,
        config: ImageConfig,
        source: String,
        name: Option<ImageName>,
    ) -> Result<Arc<Image>, StoreError> {
        let root = work.folder().join(ROOT_FILE);
        let mut file = fs::File::open(&root).map_err(io_error("open", &root))?;
        let root_sha256 = Digest::of_reader(&mut file).map_err(io_error("read", &root))?;
        let size_bytes = file.metadata().map_err(io_error("read", &root))?.len();
        file.sync_all().map_err(io_error("flush", &root))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let manifest = Manifest {
            version: manifest::VERSION,
            root_sha256,
            fs,
            size_bytes,
            config,
            created_at: now.map_or(0, |since| since.as_secs()),
            source,
        };
        // A folder of its own: the staging folder also holds what was only needed on the way.
        let ready = staging(&self.images)?;
        fs::rename(&root, ready.path().join(ROOT_FILE)).map_err(io_error("move", &root))?;
        write_json(ready.path(), manifest::FILE, &manifest)?;
        self.place(ready, manifest, name)
    }

    fn place(
        &self,
        ready: TempDir,
        manifest: Manifest,
        name: Option<ImageName>,
    ) -> Result<Arc<Image>, StoreError> {
        let digest = manifest.digest()?;
        let folder = self.images.join(digest.hex());
        let mut state = self.state();
        if let Entry::Vacant(vacant) = state.images.entry(digest) {
            put_in_place(ready, &folder)?;
            sync(&self.images)?;
            vacant.insert(Arc::new(manifest.into_image(&folder)?));
        }
        if let Some(name) = name {
            let mut named = state.names.clone();
            let before = named.insert(name, digest);
            names::write(&self.images, &named)?;
            state.names = named;
            state.refresh(digest);
            if let Some(before) = before.filter(|before| *before != digest) {
                state.refresh(before);
                let nameless = !state.names.values().any(|d| *d == before);
                if nameless && !state.pins.contains_key(&before) {
                    self.delete(&mut state, before)?;
                }
            }
        }
        let missing = || io_error("find", &folder)(std::io::ErrorKind::NotFound.into());
        state.images.get(&digest).cloned().ok_or_else(missing)
    }
}

/// Renames the finished folder; from here on it no longer removes itself.
fn put_in_place(ready: TempDir, folder: &Path) -> Result<(), StoreError> {
    fs::rename(ready.path(), folder).map_err(io_error("put in place", folder))?;
    let _ = ready.keep();
    Ok(())
}
