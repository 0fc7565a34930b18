//! Reads a finished root filesystem back with the reference tool.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thaw_image::Image;

use crate::support::process::run;

/// An image unpacked (as root, so with owners and devices).
pub(crate) struct Unpacked {
    folder: TempDir,
}

impl Unpacked {
    pub(crate) fn of(image: &Image, images: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = root_file(image, images);
        let to = folder.path().join("root");
        run(
            "unsquashfs",
            &[
                "-no-progress".as_ref(),
                "-d".as_ref(),
                to.as_ref(),
                root.as_ref(),
            ],
        );
        Self { folder }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Everything below the root, sorted.
    pub(crate) fn paths(&self) -> Vec<String> {
        let top = self.path("");
        let mut found = Vec::new();
        let mut waiting = vec![top.clone()];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.symlink_metadata().unwrap().is_dir() {
                    waiting.push(path.clone());
                }
                found.push(
                    path.strip_prefix(&top)
                        .unwrap()
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
        found.sort();
        found
    }
}

/// Where the root filesystem of `image` lies.
pub(crate) fn root_file(image: &Image, images: &Path) -> PathBuf {
    images.join(image.digest.hex()).join("root.img")
}
