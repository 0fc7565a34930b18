//! `registry:`, with a real registry.

use serde_json::json;
use thaw_image::{
    AddError, AddOptions, ErrorKind, ImageSource, Progress, ProgressSink, RegistryAuth,
    RegistryError, Resolution,
};

use crate::config;
use crate::support::layer::{Layer, gzip};
use crate::support::registry::Registry;
use crate::support::saved::{descriptor, manifest};
use crate::support::squashfs::Unpacked;
use crate::support::{TestStore, architecture, whole};

const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";

/// More than the sockets between a registry and the store hold: taking it waits for more in the middle.
const LARGE_BYTES: usize = 16 << 20;

/// An image with one layer: its manifest, and its blobs (the layer last).
fn image() -> (Vec<u8>, Vec<Vec<u8>>) {
    let layer = Layer::new().dir("etc").file("etc/hello", b"hi").tar();
    let packed = [(LAYER_GZIP, gzip(&layer))];
    manifest(&[layer], &packed)
}

fn source(registry: &Registry, name: &str) -> ImageSource {
    format!("registry:{}", registry.reference(name))
        .parse()
        .unwrap()
}

fn password(password: &str) -> AddOptions {
    AddOptions {
        auth: Some(RegistryAuth {
            username: "thaw".to_owned(),
            password: password.to_owned(),
        }),
        ..AddOptions::default()
    }
}

#[tokio::test]
async fn an_image_is_pulled_by_tag_by_digest_and_out_of_an_index() {
    let registry = Registry::open_to_all();
    let image = image();
    registry.push("team/app", "v1", &image);
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &image.0);
    entry["platform"] = json!({ "os": "linux", "architecture": architecture() });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    });
    registry.push_manifest("team/app", "multi", &serde_json::to_vec(&index).unwrap());
    let store = TestStore::new();
    let by_tag = store.add(source(&registry, "team/app:v1")).await.unwrap();
    assert_eq!(by_tag.config, config::expected());
    assert_eq!(
        Unpacked::of(&by_tag, &store.images()).text("etc/hello"),
        "hi"
    );
    let digest = thaw_image::Digest::of(&image.0);
    for name in [format!("team/app@{digest}"), "team/app:multi".to_owned()] {
        let again = store.add(source(&registry, &name)).await.unwrap();
        assert_eq!(again.digest, by_tag.digest, "{name}");
    }
    let bare = registry.reference("team/app:never-asked-for");
    let meant = store.store.resolve_name(&bare).await.unwrap();
    assert!(
        matches!(meant, Resolution::Source(ImageSource::Registry { .. })),
        "{meant:?}"
    );
}

#[tokio::test]
async fn progress_names_the_layer_and_its_bytes() {
    let registry = Registry::open_to_all();
    let layer = Layer::new().file("large", &vec![0; LARGE_BYTES]).tar();
    let packed = [(LAYER_TAR, layer.clone())];
    registry.push("app", "latest", &manifest(&[layer], &packed));
    let store = TestStore::new();
    let (sink, mut progress) = ProgressSink::channel();
    let add = async {
        let sink = sink;
        let added = store
            .store
            .add(source(&registry, "app"), AddOptions::default(), &sink);
        added.await
    };
    let watch = async {
        let pulled = progress.wait_for(|now| {
            matches!(
                now,
                Progress::Pulling {
                    layer: 1,
                    layers: 1,
                    bytes_total: Some(_),
                    ..
                }
            )
        });
        pulled.await.map(|now| now.clone())
    };
    // The sink keeps the newest report only. Both run as one task, so the watcher sees what was reported last whenever
    // the other waits.
    let (added, seen) = tokio::join!(add, watch);
    added.unwrap();
    assert!(matches!(seen, Ok(Progress::Pulling { .. })), "{seen:?}");
}

#[tokio::test]
async fn an_image_that_is_not_there_is_not_found() {
    let registry = Registry::open_to_all();
    registry.push("app", "latest", &image());
    let store = TestStore::new();
    for name in [
        "app:other",
        "nothing",
        "app@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        let error = store.add(source(&registry, name)).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::NotFound,
            "{name}: {}",
            whole(&error)
        );
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn a_password_is_asked_for_and_checked() {
    let registry = Registry::with_password();
    registry.push("private", "latest", &image());
    let store = TestStore::new();
    let none = ProgressSink::none();
    for options in [AddOptions::default(), password("wrong")] {
        let error = store
            .store
            .add(source(&registry, "private"), options, &none)
            .await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorised, "{}", whole(&error));
        assert!(error.hint().unwrap().contains("password"));
        assert!(!whole(&error).contains("wrong"), "{}", whole(&error));
    }
    let added = store
        .store
        .add(source(&registry, "private"), password("secret"), &none)
        .await;
    assert_eq!(added.unwrap().config, config::expected());
    store.assert_nothing_staged();
}

#[tokio::test]
async fn a_blob_that_the_registry_swapped_is_refused() {
    let registry = Registry::open_to_all();
    let image = image();
    registry.push("app", "latest", &image);
    let layer = image.1.last().unwrap();
    // The same length, so that only the digest can tell.
    let mut evil = layer.clone();
    *evil.last_mut().unwrap() ^= 1;
    std::fs::write(registry.blob_path(layer), evil).unwrap();
    let store = TestStore::new();
    let error = store.add(source(&registry, "app")).await.unwrap_err();
    assert!(
        matches!(
            error,
            AddError::Registry(RegistryError::DigestMismatch { .. })
        ),
        "{}",
        whole(&error)
    );
    std::fs::write(registry.blob_path(layer), &layer[..layer.len() / 2]).unwrap();
    store.add(source(&registry, "app")).await.unwrap_err();
    assert!(store.store.list().is_empty());
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_unavailable() {
    let port = Registry::open_to_all().port;
    let store = TestStore::new();
    let source = format!("registry:127.0.0.1:{port}/app").parse().unwrap();
    let error = store.add(source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", whole(&error));
}
