//! The image `python` and its template, made once for all tests and linked into each storage root.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;
use thaw_runner::node::image::{ImageStore, builtin_recipe};

use super::daemon::{THAW, serve};

/// What Thaw never writes again once it is there.
const FOLDERS: [&str; 2] = ["images", "templates"];

/// A new storage root with the image and the template in it.
pub(super) fn storage() -> TempDir {
    // On the same file system, so that the files can be linked.
    let source = made_once();
    linked(&source, source.parent().unwrap())
}

/// The same in a folder, on another file system as well.
pub(super) fn storage_in(folder: &Path) -> TempDir {
    linked(&made_once(), folder)
}

fn linked(source: &Path, folder: &Path) -> TempDir {
    let storage = tempfile::tempdir_in(folder).unwrap();
    for folder in FOLDERS {
        link(&source.join(folder), &storage.path().join(folder));
    }
    storage
}

/// The folder that everything is linked from. An image or a template that this build would make otherwise is made anew.
fn made_once() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prepared");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("the lock of the test storage");
    let root = folder.join("storage");
    let image = ImageStore::look_up(&root.join("images"), &"python".parse().unwrap());
    if let Ok(Some(image)) = image
        && image.source != builtin_recipe("python").unwrap().to_string()
    {
        fs::remove_dir_all(&root).unwrap();
    }
    fs::create_dir_all(&root).unwrap();
    let (mut process, server) = serve(&root, &[], None);
    let thaw = |words: &[&str]| {
        let mut command = Command::new(THAW);
        command.args(words).env("THAW_SERVER", &server).output()
    };
    let ran = thaw(&["run", "python", "--", "true"]);
    let pools = thaw(&["pool", "ls", "--json"]);
    kill(Pid::from_raw(process.id() as i32), Signal::SIGTERM).unwrap();
    process.wait().unwrap();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", super::text(&ran.stderr));
    let pools: Value = serde_json::from_slice(&pools.unwrap().stdout).unwrap();
    keep_only(&root, pools["pools"][0]["template"].as_str().unwrap());
    root
}

/// Removes the templates of other builds.
fn keep_only(root: &Path, template: &str) {
    for entry in fs::read_dir(root.join("templates")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != *template {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            link(&old, &new);
        } else {
            match fs::hard_link(&old, &new) {
                Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                    let mut copy = Command::new("cp");
                    let copy = copy.arg("--sparse=always").arg("-p").arg(&old).arg(&new);
                    assert!(copy.status().unwrap().success());
                }
                linked => linked.unwrap(),
            }
        }
    }
}
