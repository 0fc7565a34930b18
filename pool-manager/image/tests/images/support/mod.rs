//! What the tests share.

pub(crate) mod dockerd;
pub(crate) mod http;
pub(crate) mod layer;
pub(crate) mod process;
pub(crate) mod registry;
pub(crate) mod saved;
pub(crate) mod squashfs;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use thaw_image::{
    AddError, AddOptions, Image, ImageSource, ImageStore, ProgressSink, StoreOptions, Upload,
};

/// A store in a folder that goes with it.
pub(crate) struct TestStore {
    pub(crate) store: ImageStore,
    pub(crate) folder: TempDir,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        Self::with(StoreOptions::default())
    }

    pub(crate) fn with(options: StoreOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::open_with(&folder.path().join("images"), options).unwrap();
        Self { store, folder }
    }

    pub(crate) async fn add(&self, source: ImageSource) -> Result<Arc<Image>, AddError> {
        let added = self
            .store
            .add(source, AddOptions::default(), &ProgressSink::none())
            .await;
        self.assert_nothing_staged();
        added
    }

    /// Adds `bytes` as an upload of the kind that `form` makes.
    pub(crate) async fn upload(
        &self,
        form: fn(Upload) -> ImageSource,
        bytes: &[u8],
    ) -> Result<Arc<Image>, AddError> {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let path = file.path().to_owned();
        self.add(form(Upload { path })).await
    }

    pub(crate) fn images(&self) -> std::path::PathBuf {
        self.folder.path().join("images")
    }

    /// Whatever an `add` did, it has left no staging folder.
    pub(crate) fn assert_nothing_staged(&self) {
        assert_eq!(staged(&self.images()), Vec::<String>::new());
    }
}

/// The staging folders that are there.
pub(crate) fn staged(images: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(images).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".staging")).collect()
}

/// An error and all its causes in one line.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text += &format!(": {next}");
        cause = next.source();
    }
    text
}

/// This machine as image platforms call it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
