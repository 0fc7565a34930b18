//! Images of a few files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Writes an image as `docker save` does, of programs by their paths, and returns where it is.
pub(crate) fn docker_archive(path: &Path, config: &Value, files: &[(&str, &[u8])]) -> PathBuf {
    let mut layer = tar::Builder::new(Vec::new());
    for (path, content) in files {
        append(&mut layer, path, content);
    }
    let layer = layer.into_inner().unwrap();
    let sum = hex::encode(Sha256::digest(&layer));
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
    });
    let manifest =
        json!([{"Config": "config.json", "RepoTags": ["made:latest"], "Layers": ["layer.tar"]}]);
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "config.json", config.to_string().as_bytes());
    append(&mut archive, "layer.tar", &layer);
    append(
        &mut archive,
        "manifest.json",
        manifest.to_string().as_bytes(),
    );
    fs::write(path, archive.into_inner().unwrap()).unwrap();
    path.to_owned()
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, path, content).unwrap();
}
