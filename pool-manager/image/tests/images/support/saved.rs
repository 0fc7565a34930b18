//! Images as `docker save` and as an OCI layout.

use serde_json::{Value, json};
use tar::{Builder, Header};
use thaw_image::Digest;

use crate::support::architecture;

/// The name of the image in every saved archive.
pub(crate) const SAVED_NAME: &str = "thaw-test:latest";

/// A tar of files.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Builder::new(Vec::new());
    for (path, data) in files {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        out.append_data(&mut header, path, data.as_slice()).unwrap();
    }
    out.into_inner().unwrap()
}

/// The configuration of an image with these unpacked layers.
pub(crate) fn config(layers: &[Vec<u8>], arch: &str) -> Vec<u8> {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| Digest::of(layer).to_string())
        .collect();
    let config = json!({
        "architecture": arch,
        "os": "linux",
        "config": {
            "Env": ["PATH=/bin", "GREETING=hello"],
            "Entrypoint": ["/entry"],
            "Cmd": ["one", "two"],
            "User": "1000:1000",
            "WorkingDir": "/work",
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    serde_json::to_vec(&config).unwrap()
}

/// What `docker save` of one image writes.
pub(crate) fn docker_save(layers: &[Vec<u8>]) -> Vec<u8> {
    docker_save_for(layers, architecture())
}

pub(crate) fn docker_save_for(layers: &[Vec<u8>], arch: &str) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len())
        .map(|n| format!("{n}/layer.tar"))
        .collect();
    let manifest = json!([{ "Config": "config.json", "RepoTags": [SAVED_NAME], "Layers": names }]);
    let mut files = vec![
        (
            "manifest.json".to_owned(),
            serde_json::to_vec(&manifest).unwrap(),
        ),
        ("config.json".to_owned(), config(layers, arch)),
    ];
    for (name, layer) in names.into_iter().zip(layers) {
        files.push((name, layer.clone()));
    }
    archive(&files)
}

/// A blob and what points at it.
pub(crate) fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(blob).to_string(), "size": blob.len() })
}

/// An OCI manifest and its blobs: configuration, then the layers as `packed`.
pub(crate) fn manifest(layers: &[Vec<u8>], packed: &[(&str, Vec<u8>)]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let config = config(layers, architecture());
    let entries: Vec<Value> = packed
        .iter()
        .map(|(kind, blob)| descriptor(kind, blob))
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": entries,
    });
    let blobs = std::iter::once(config).chain(packed.iter().map(|(_, blob)| blob.clone()));
    (serde_json::to_vec(&manifest).unwrap(), blobs.collect())
}

/// An OCI layout of these blobs.
pub(crate) fn oci_layout(index: &Value, blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut files = vec![
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), serde_json::to_vec(index).unwrap()),
    ];
    for blob in blobs {
        files.push((
            format!("blobs/sha256/{}", Digest::of(blob).hex()),
            blob.clone(),
        ));
    }
    archive(&files)
}
