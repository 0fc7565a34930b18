//! `rootfs:`: tars and filesystems that are taken as they are.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;

use thaw_image::{AddError, ErrorKind, ImageSource, RootFs, RootFsError};

use crate::support::layer::{Layer, gzip};
use crate::support::process::run;
use crate::support::squashfs::{Unpacked, root_file};
use crate::support::{TestStore, whole};

fn tar() -> Vec<u8> {
    Layer::new().dir("bin").file("bin/sh", b"#!").tar()
}

/// An empty ext4 filesystem of 64 MiB.
fn ext4() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(64 << 20).unwrap();
    run(
        "mke2fs",
        &[
            "-q".as_ref(),
            "-t".as_ref(),
            "ext4".as_ref(),
            file.path().as_os_str(),
        ],
    );
    file
}

#[tokio::test]
async fn equal_trees_make_equal_images_however_they_were_packed() {
    let store = TestStore::new();
    let plain = store.upload(ImageSource::RootFs, &tar()).await.unwrap();
    let packed = store
        .upload(ImageSource::RootFs, &gzip(&tar()))
        .await
        .unwrap();
    assert_eq!(plain.digest, packed.digest);
    assert_eq!(plain.fs, RootFs::Squashfs);
    assert_eq!(
        Unpacked::of(&plain, &store.images()).paths(),
        ["bin", "bin/sh"]
    );
    plain.verify().unwrap();
}

/// Time passes between the two, and directories fill more than one block of inodes.
#[tokio::test]
async fn the_clock_leaves_no_trace_in_an_image() {
    let store = TestStore::new();
    let mut layer = Layer::new();
    for n in 0..600 {
        layer = layer.dir(&format!("d{n}"));
    }
    let tar = layer.tar();
    let first = store.upload(ImageSource::RootFs, &tar).await.unwrap();
    let made = first.created_at;
    store.store.remove(&first.digest.hex()).unwrap();
    loop {
        let again = store.upload(ImageSource::RootFs, &tar).await.unwrap();
        assert_eq!(again.digest, first.digest);
        if again.created_at > made {
            let root = Unpacked::of(&again, &store.images());
            assert_eq!(root.path("").metadata().unwrap().mtime(), 0);
            return;
        }
        store.store.remove(&again.digest.hex()).unwrap();
    }
}

#[tokio::test]
async fn an_ext4_filesystem_is_taken_as_it_is_and_its_holes_stay_holes() {
    let store = TestStore::new();
    let file = ext4();
    let upload = thaw_image::Upload {
        path: file.path().to_owned(),
    };
    let image = store.add(ImageSource::RootFs(upload)).await.unwrap();
    assert_eq!(image.fs, RootFs::Ext4);
    assert_eq!(image.size_bytes, 64 << 20);
    let root = root_file(&image, &store.images());
    assert_eq!(
        std::fs::read(&root).unwrap(),
        std::fs::read(file.path()).unwrap()
    );
    assert!(root.metadata().unwrap().blocks() * 512 < 16 << 20);
}

#[tokio::test]
async fn what_is_no_root_filesystem_is_refused() {
    let store = TestStore::new();
    let mut short = ext4();
    short.as_file_mut().set_len(1 << 20).unwrap();
    let upload = thaw_image::Upload {
        path: short.path().to_owned(),
    };
    let error = store.add(ImageSource::RootFs(upload)).await.unwrap_err();
    assert!(
        matches!(error, AddError::RootFs(RootFsError::Truncated { .. })),
        "{}",
        whole(&error)
    );
    for bytes in [&b""[..], b"no tar at all", &[0; 1024], &[7; 4096]] {
        let error = store.upload(ImageSource::RootFs, bytes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput, "{}", whole(&error));
    }
    assert!(store.store.list().is_empty());
}

#[tokio::test]
async fn a_stored_image_that_rots_is_told_by_its_hash() {
    let store = TestStore::new();
    let image = store.upload(ImageSource::RootFs, &tar()).await.unwrap();
    let root = root_file(&image, &store.images());
    let mut file = std::fs::OpenOptions::new().write(true).open(root).unwrap();
    file.seek(SeekFrom::Start(200)).unwrap();
    file.write_all(b"rot").unwrap();
    let error = image.verify().unwrap_err();
    assert!(
        error.to_string().contains(&image.digest.to_string()),
        "{error}"
    );
}
