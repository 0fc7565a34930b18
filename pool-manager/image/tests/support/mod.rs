//! What the tests share.

pub mod dockerd;
pub mod http;
pub mod layer;
pub mod process;
pub mod registry;
pub mod saved;
pub mod squashfs;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use thaw_image::{AddError, AddOptions, Image, ImageSource, ImageStore, ProgressSink, StoreOptions, Upload};

/// A store in a folder that goes with it.
pub struct TestStore {
    pub store: ImageStore,
    pub folder: TempDir,
}

impl TestStore {
    pub fn new() -> Self {
        Self::with(StoreOptions::default())
    }

    pub fn with(options: StoreOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::open_with(&folder.path().join("images"), options).unwrap();
        Self { store, folder }
    }

    pub async fn add(&self, source: ImageSource) -> Result<Arc<Image>, AddError> {
        let added = self.store.add(source, AddOptions::default(), &ProgressSink::none()).await;
        self.assert_nothing_staged();
        added
    }

    /// Adds `bytes` as an upload of the kind that `form` makes.
    pub async fn upload(&self, form: fn(Upload) -> ImageSource, bytes: &[u8]) -> Result<Arc<Image>, AddError> {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let path = file.path().to_owned();
        self.add(form(Upload { path })).await
    }

    pub fn images(&self) -> std::path::PathBuf {
        self.folder.path().join("images")
    }

    /// Whatever an `add` did, it has left no staging folder.
    pub fn assert_nothing_staged(&self) {
        assert_eq!(staged(&self.images()), Vec::<String>::new());
    }
}

/// The staging folders that are there.
pub fn staged(images: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(images).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".staging")).collect()
}

/// An error and all its causes in one line.
pub fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text += &format!(": {next}");
        cause = next.source();
    }
    text
}

/// This machine as image platforms call it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
