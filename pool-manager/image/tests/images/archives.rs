//! `docker-archive:` and `oci-archive:`.

use serde_json::json;
use thaw_image::{AddError, ArchiveError, ErrorKind, ImageSource, LayerError};

use crate::config;
use crate::support::layer::{Layer, gzip};
use crate::support::saved::{descriptor, docker_save, docker_save_for, manifest, oci_layout};
use crate::support::squashfs::Unpacked;
use crate::support::{TestStore, architecture, whole};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn layer() -> Vec<u8> {
    Layer::new().dir("etc").file("etc/hello", b"hi").tar()
}

#[tokio::test]
async fn an_oci_archive_with_layers_in_every_compression_is_read() {
    let store = TestStore::new();
    let layers =
        ["plain", "gzip", "zstd"].map(|name| Layer::new().file(name, name.as_bytes()).tar());
    let packed = [
        (LAYER, layers[0].clone()),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            gzip(&layers[1]),
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+zstd",
            zstd::encode_all(layers[2].as_slice(), 1).unwrap(),
        ),
    ];
    let (manifest, mut blobs) = manifest(&layers, &packed);
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor(MANIFEST, &manifest)] });
    blobs.push(manifest);
    let image = store
        .upload(ImageSource::OciArchive, &oci_layout(&index, &blobs))
        .await
        .unwrap();
    assert_eq!(image.config, config::expected());
    let root = Unpacked::of(&image, &store.images());
    for name in ["plain", "gzip", "zstd"] {
        assert_eq!(root.text(name), name);
    }
}

#[tokio::test]
async fn an_archive_that_is_itself_compressed_makes_the_same_image() {
    let store = TestStore::new();
    let archive = docker_save(&[layer()]);
    let plain = store
        .upload(ImageSource::DockerArchive, &archive)
        .await
        .unwrap();
    let packed = store
        .upload(ImageSource::DockerArchive, &gzip(&archive))
        .await
        .unwrap();
    assert_eq!(plain.digest, packed.digest);
    assert_eq!(store.store.list().len(), 1);
}

#[tokio::test]
async fn a_layer_that_does_not_hash_to_its_diff_id_is_refused() {
    let store = TestStore::new();
    let (said, sent) = (layer(), Layer::new().file("evil", b"").tar());
    let (manifest, mut blobs) = manifest(&[said], &[(LAYER, sent)]);
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor(MANIFEST, &manifest)] });
    blobs.push(manifest);
    let error = store
        .upload(ImageSource::OciArchive, &oci_layout(&index, &blobs))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            AddError::Layer(LayerError::DigestMismatch { layer: 1, .. })
        ),
        "{}",
        whole(&error)
    );
}

#[tokio::test]
async fn a_blob_that_was_changed_in_the_archive_is_refused() {
    let store = TestStore::new();
    let (manifest, mut blobs) = manifest(&[layer()], &[(LAYER, layer())]);
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor(MANIFEST, &manifest)] });
    blobs.push(manifest);
    let mut archive = oci_layout(&index, &blobs);
    let at = archive.windows(2).position(|two| two == b"hi").unwrap();
    archive[at] = b'H';
    let error = store
        .upload(ImageSource::OciArchive, &archive)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            AddError::Archive(ArchiveError::DigestMismatch { .. })
        ),
        "{}",
        whole(&error)
    );
}

#[tokio::test]
async fn an_archive_that_is_cut_off_is_refused_wherever_it_ends() {
    let store = TestStore::new();
    let archive = docker_save(&[layer()]);
    for len in [0, 100, 512, archive.len() / 2, archive.len() - 1025] {
        let error = store
            .upload(ImageSource::DockerArchive, &archive[..len])
            .await
            .unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::BadInput,
            "{len}: {}",
            whole(&error)
        );
    }
    assert!(store.store.list().is_empty());
}

#[tokio::test]
async fn an_image_for_another_machine_is_refused_by_name() {
    let store = TestStore::new();
    let archive = docker_save_for(&[layer()], "s390x");
    let error = store
        .upload(ImageSource::DockerArchive, &archive)
        .await
        .unwrap_err();
    let text = whole(&error);
    assert!(
        text.contains("linux/s390x") && text.contains(architecture()),
        "{text}"
    );
}

#[tokio::test]
async fn one_kind_of_archive_given_as_the_other_is_told_so() {
    let store = TestStore::new();
    let error = store
        .upload(ImageSource::OciArchive, &docker_save(&[layer()]))
        .await
        .unwrap_err();
    assert!(whole(&error).contains("index.json"), "{}", whole(&error));
}
