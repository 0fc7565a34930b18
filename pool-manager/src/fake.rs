//! A node without virtual machines, for the tests of whoever works with one.

use std::{io, path::Path, sync::Arc};

use thaw_image::{AddOptions, ImageSource, ImageStore, ProgressSink, Upload};
use thaw_vmm::{FakeEngine, GuestKernel};

use crate::{MemorySetup, NodeConfig, NodeLimits, StorageLock};

/// The name of the image that [`ensure_fake_image`] makes.
pub const FAKE_IMAGE: &str = "tiny";

/// Bounds under which little is written to the disk.
pub fn fake_limits() -> NodeLimits {
    NodeLimits {
        scratch_bytes: 64 << 20,
        disk_reserve_bytes: 0,
        ..NodeLimits::default()
    }
}

/// What a node on `engine` over the storage root `root` is made of. A root that is new has no images.
///
/// # Errors
/// When the root is taken, or can't be opened.
pub fn fake_node_config(
    root: &Path,
    engine: &FakeEngine,
    limits: NodeLimits,
) -> io::Result<NodeConfig> {
    let storage = StorageLock::take(root).map_err(io::Error::other)?;
    let images = ImageStore::open(&NodeConfig::images_folder(&storage));
    Ok(NodeConfig {
        storage,
        engine: Arc::new(engine.clone()),
        engine_reason: "a test asked for it".to_owned(),
        images: Arc::new(images.map_err(io::Error::other)?),
        kernel: Arc::new(GuestKernel::load(None, b"agent").map_err(io::Error::other)?),
        memory: MemorySetup::file("fake VMMs have no userfaultfd"),
        limits,
    })
}

/// Makes the image [`FAKE_IMAGE`] where it is missing.
///
/// # Errors
/// When it can't be made.
pub async fn ensure_fake_image(images: &ImageStore) -> io::Result<()> {
    if images.find(FAKE_IMAGE).is_none() {
        add_fake_image(images, FAKE_IMAGE).await?;
    }
    Ok(())
}

/// Makes an image that differs by `text` from others, and gives it the name [`FAKE_IMAGE`].
///
/// # Errors
/// When it can't be made.
pub async fn add_fake_image(images: &ImageStore, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    let mut tar = tar::Builder::new(file.as_file_mut());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "etc/name", text.as_bytes())?;
    tar.finish()?;
    drop(tar);
    let source = ImageSource::RootFs(Upload {
        path: file.path().to_owned(),
    });
    let options = AddOptions {
        name: Some(FAKE_IMAGE.parse().map_err(io::Error::other)?),
        ..AddOptions::default()
    };
    let added = images.add(source, options, &ProgressSink::none()).await;
    added.map(drop).map_err(io::Error::other)
}
