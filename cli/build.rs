//! Finds what the binary carries inside itself.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Variable, where `make` leaves it, and its name in the build's folder.
const CARRIED: [(&str, &str, &str); 2] = [
    (
        "THAW_AGENT_BIN",
        "../target/agent/x86_64-unknown-linux-gnu/agent/thaw-agent",
        "thaw-agent",
    ),
    (
        "THAW_SHIM_BIN",
        "../target/release/libthaw_lazymem_shim.so",
        "thaw-shim.so",
    ),
];

#[expect(clippy::unwrap_used, reason = "a build script fails by panicking")]
fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    for (variable, built, name) in CARRIED {
        println!("cargo::rerun-if-env-changed={variable}");
        let file = env::var_os(variable).map_or_else(|| PathBuf::from(built), PathBuf::from);
        println!("cargo::rerun-if-changed={}", file.display());
        // Without it everything compiles, and what needs it says that it is missing.
        let bytes = fs::read(&file).unwrap_or_default();
        fs::write(out.join(name), bytes).unwrap();
    }
    fs::write(out.join("dashboard.rs"), dashboard(&out)).unwrap();
}

/// The dashboard's files as an expression of Rust, empty where it was not built. It names copies, so that a build of
/// the dashboard that goes on at the same time takes none away.
#[expect(clippy::unwrap_used, reason = "a build script fails by panicking")]
fn dashboard(out: &Path) -> String {
    println!("cargo::rerun-if-env-changed=THAW_DASHBOARD");
    let folder =
        env::var_os("THAW_DASHBOARD").map_or_else(|| PathBuf::from("../web/dist"), PathBuf::from);
    // A path that is not there counts as changed at every build; the folder around it shows when it comes.
    let watched = if folder.exists() {
        &folder
    } else {
        folder.parent().unwrap_or(&folder)
    };
    println!("cargo::rerun-if-changed={}", watched.display());
    // A build of the dashboard that was broken off has no beginning.
    if !folder.join("index.html").exists() {
        return "&[]".to_owned();
    }
    let folder = folder.canonicalize().unwrap();
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    let entries = files.iter().enumerate().map(|(number, file)| {
        let path = file.strip_prefix(&folder).unwrap();
        let copy = out.join(format!("dashboard-{number}"));
        fs::copy(file, &copy).unwrap();
        format!("({path:?}, include_bytes!({copy:?}) as &[u8]), ")
    });
    format!("&[{}]", entries.collect::<String>())
}

#[expect(clippy::unwrap_used, reason = "a build script fails by panicking")]
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
