//! Code for functions, and its deploy.

use std::{fs, path::Path, process::Output};

use tempfile::TempDir;

use super::Daemon;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/functions");

/// The folder of one of the examples.
pub(crate) fn example(name: &str) -> String {
    format!("{EXAMPLES}/{name}")
}

/// A folder with one file.
pub(crate) fn code(name: &str, source: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), source).unwrap();
    folder
}

/// What a command or a function printed, as JSON.
pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Deploys a folder on the image `python`, with more options.
pub(crate) fn deploy(daemon: &Daemon, name: &str, folder: &Path, more: &[&str]) -> Output {
    let folder = folder.to_str().unwrap();
    let mut words = vec!["fn", "deploy", name, "--image", "python", "--code", folder];
    words.extend(more);
    daemon.thaw(&words)
}
