//! Layers, as OCI's image specification wants them applied, read back out of the finished root filesystem.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use tar::EntryType;
use thaw_image::{AddError, ErrorKind, ImageSource, LayerError};

use crate::support::layer::Layer;
use crate::support::process::run;
use crate::support::saved::docker_save;
use crate::support::squashfs::{Unpacked, root_file};
use crate::support::{TestStore, whole};

/// The root filesystem that these layers make.
async fn applied(layers: &[Vec<u8>]) -> Unpacked {
    let store = TestStore::new();
    let image = store
        .upload(ImageSource::DockerArchive, &docker_save(layers))
        .await
        .unwrap();
    Unpacked::of(&image, &store.images())
}

#[tokio::test]
async fn a_whiteout_removes_what_lower_layers_made_and_nothing_else() {
    let lower = Layer::new()
        .dir("etc")
        .file("etc/gone", b"1")
        .file("etc/stays", b"2")
        .dir("tree")
        .dir("tree/deep")
        .file("tree/deep/leaf", b"3");
    let upper = Layer::new()
        .file("etc/.wh.gone", b"")
        .file(".wh.tree", b"")
        .file("etc/.wh.never-was", b"");
    let root = applied(&[lower.tar(), upper.tar()]).await;
    assert_eq!(root.paths(), ["etc", "etc/stays"]);
}

#[tokio::test]
async fn an_opaque_directory_shows_only_its_own_layer_wherever_the_mark_stands() {
    let lower = Layer::new()
        .dir("a")
        .file("a/old", b"")
        .dir("b")
        .file("b/old", b"");
    let upper = Layer::new()
        .dir("a")
        .file("a/.wh..wh..opq", b"")
        .file("a/new", b"")
        .dir("b")
        .file("b/new", b"")
        .file("b/.wh..wh..opq", b"");
    let root = applied(&[lower.tar(), upper.tar()]).await;
    assert_eq!(root.paths(), ["a", "a/new", "b", "b/new"]);
}

#[tokio::test]
async fn what_a_layer_puts_back_after_its_own_whiteout_is_there() {
    let lower = Layer::new().dir("d").file("d/f", b"old");
    let upper = Layer::new().file(".wh.d", b"").dir("d").file("d/g", b"new");
    let root = applied(&[lower.tar(), upper.tar()]).await;
    assert_eq!(root.paths(), ["d", "d/g"]);
}

#[tokio::test]
async fn hard_links_are_one_file_also_across_layers() {
    let lower = Layer::new().file("one", b"same").hardlink("two", "one");
    let upper = Layer::new().hardlink("three", "one").file("one", b"other");
    let root = applied(&[lower.tar(), upper.tar()]).await;
    let inode = |path: &str| root.path(path).metadata().unwrap().ino();
    assert_eq!(inode("two"), inode("three"));
    assert_eq!(root.text("two"), "same");
    assert_eq!(root.text("one"), "other");
}

#[tokio::test]
async fn owners_modes_times_devices_and_setuid_bits_are_kept() {
    let layer = Layer::new()
        .entry("su", EntryType::Regular, 0o4755, 0, "", b"#!")
        .entry("spool", EntryType::Directory, 0o1777, 12, "", b"")
        .entry("mine", EntryType::Regular, 0o640, 123_456, "", b"x")
        .entry("null", EntryType::Char, 0o666, 0, "", b"")
        .entry("pipe", EntryType::Fifo, 0o600, 0, "", b"");
    let root = applied(&[layer.tar()]).await;
    let of = |path: &str| root.path(path).symlink_metadata().unwrap();
    assert_eq!(of("su").mode() & 0o7777, 0o4755);
    assert_eq!(of("spool").mode() & 0o7777, 0o1777);
    assert_eq!((of("spool").uid(), of("spool").gid()), (12, 12));
    assert_eq!(
        (of("mine").uid(), of("mine").mode() & 0o7777),
        (123_456, 0o640)
    );
    assert_eq!(of("mine").mtime(), 1_600_000_000);
    assert!(of("null").file_type().is_char_device());
    assert_eq!(of("null").rdev(), nix::sys::stat::makedev(1, 3));
    assert!(of("pipe").file_type().is_fifo());
}

#[tokio::test]
async fn extended_attributes_are_kept_except_those_that_steer_overlayfs() {
    // cap_net_raw+ep, as setcap(8) writes it.
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let layer = Layer::new()
        .xattr("security.capability", &capability)
        .xattr("user.note", b"kept")
        .xattr("trusted.overlay.opaque", b"y")
        .file("ping", b"#!");
    let store = TestStore::new();
    let image = store
        .upload(ImageSource::DockerArchive, &docker_save(&[layer.tar()]))
        .await
        .unwrap();
    let root = root_file(&image, &store.images());
    let mut found = String::new();
    for name in ["security.capability", "user.note", "trusted.overlay.opaque"] {
        let lists = listed_xattr(&root, "ping", name);
        found += &format!("{name}={lists} ");
    }
    assert_eq!(
        found.trim(),
        format!(
            "security.capability={} user.note={} trusted.overlay.opaque=none",
            hex::encode(capability),
            hex::encode("kept"),
        )
    );
}

/// An attribute as hex, read after the reference tool has unpacked the file.
fn listed_xattr(root: &Path, path: &str, name: &str) -> String {
    let folder = tempfile::tempdir_in(root.parent().unwrap()).unwrap();
    let to = folder.path().join("root");
    let arguments = [
        "-no-progress".as_ref(),
        "-d".as_ref(),
        to.as_os_str(),
        root.as_os_str(),
    ];
    run("unsquashfs", &arguments);
    match get_xattr(&to.join(path), name) {
        Some(value) => hex::encode(value),
        None => "none".to_owned(),
    }
}

fn get_xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let script = "import os,sys; sys.stdout.buffer.write(os.getxattr(sys.argv[1], sys.argv[2])) \
                  if sys.argv[2] in os.listxattr(sys.argv[1]) else print(end='\\0none')";
    let out = run(
        "python3",
        &[
            "-c".as_ref(),
            script.as_ref(),
            path.as_os_str(),
            name.as_ref(),
        ],
    );
    (out != b"\0none").then_some(out)
}

#[tokio::test]
async fn a_path_that_climbs_out_lands_inside_the_root_and_the_host_sees_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let aim = outside.path().join("pwned");
    let absolute = aim.to_str().unwrap();
    let climbing = format!("../../../../../../../..{absolute}");
    let layer = Layer::new()
        .file(absolute, b"absolute")
        .file(&climbing, b"climbing")
        .symlink("way-out", outside.path().to_str().unwrap())
        .file("way-out/through-a-link", b"link")
        .symlink("up", "../../../../../..")
        .file("up/top", b"top");
    let root = applied(&[layer.tar()]).await;
    let entries: Vec<_> = std::fs::read_dir(outside.path()).unwrap().collect();
    assert!(entries.is_empty(), "{entries:?}");
    assert_eq!(root.text(absolute.trim_start_matches('/')), "climbing");
    let inside = outside.path().join("through-a-link");
    assert_eq!(
        root.text(inside.to_str().unwrap().trim_start_matches('/')),
        "link"
    );
    assert_eq!(root.text("top"), "top");
}

#[tokio::test]
async fn a_hard_link_to_what_is_not_in_the_image_is_refused() {
    for target in ["/etc/shadow", "../../../../etc/shadow", ".", ""] {
        let layer = Layer::new().hardlink("stolen", target);
        let store = TestStore::new();
        let archive = docker_save(&[layer.tar()]);
        let error = store.upload(ImageSource::DockerArchive, &archive).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput, "{}", whole(&error));
        assert!(
            matches!(error, AddError::Layer(LayerError::BadHardLink { .. })),
            "{target:?}: {}",
            whole(&error)
        );
    }
}

#[tokio::test]
async fn a_circle_of_links_is_refused_and_a_chain_is_followed() {
    let chain = Layer::new()
        .dir("real")
        .symlink("b", "real")
        .symlink("a", "b")
        .file("a/x", b"x");
    assert_eq!(applied(&[chain.tar()]).await.text("real/x"), "x");
    let circle = Layer::new()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/x", b"");
    let store = TestStore::new();
    let archive = docker_save(&[circle.tar()]);
    let error = store.upload(ImageSource::DockerArchive, &archive).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, AddError::Layer(LayerError::TooManyLinks { .. })),
        "{}",
        whole(&error)
    );
}
