//! A guest that writes until its host's disk is full.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::posix_fallocate,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::{signal::Signal, statvfs::statvfs},
};

use super::support::{Daemon, text};

/// A file system of its own, with room for the image, its template and a few machines; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn at(path: &Path) -> Self {
        let (kind, size) = (Some("tmpfs"), Some("size=1g"));
        fs::create_dir(path).unwrap();
        mount(kind, path, kind, MsFlags::empty(), size).unwrap();
        Self(path.to_owned())
    }

    /// Leaves no more than this.
    fn leave(&self, bytes: u64) {
        let filler = File::create(self.0.join("filler")).unwrap();
        let now = statvfs(&self.0).unwrap();
        let free = now.blocks_available() * now.fragment_size();
        let length = i64::try_from(free - bytes).unwrap();
        posix_fallocate(&filler, 0, length).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn a_guest_that_fills_its_hosts_disk_is_told_so_and_its_vm_stays_usable() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::at(&folder.path().join("disk"));
    let daemon = Daemon::with_python_in(&disk.0);
    daemon.says(&["vm", "create", "python", "--name", "greedy"]);
    disk.leave(40 << 20);
    // Its own disk has room for 4 GiB.
    let fill = "dd if=/dev/zero of=/big bs=1M count=64 conv=fsync";
    let filled = daemon.thaw(&["vm", "exec", "greedy", "--", "sh", "-c", fill]);
    let said = text(&filled.stderr);
    assert_eq!(filled.status.code(), Some(1), "{said}");
    assert!(
        [
            "Input/output error",
            "Read-only file system",
            "No space left"
        ]
        .iter()
        .any(|error| said.contains(error)),
        "{said}"
    );
    let list = daemon.says(&["vm", "ls"]);
    assert!(list.contains("running"), "{list}");
    // It runs on; what it has in memory and what is on its image is as it was.
    let sum = daemon.says(&["vm", "exec", "greedy", "--", "sh", "-c", "echo $((6*7))"]);
    assert_eq!(sum, "42\n");
    daemon.says(&["vm", "rm", "greedy"]);
    fs::remove_file(disk.0.join("filler")).unwrap();
    daemon.says(&["vm", "create", "python", "--name", "modest"]);
    let write = "dd if=/dev/zero of=/small bs=1M count=20 conv=fsync 2>/dev/null && echo well";
    let wrote = daemon.says(&["vm", "exec", "modest", "--", "sh", "-c", write]);
    assert_eq!(wrote, "well\n");
    daemon.says(&["vm", "rm", "modest"]);
    drop(daemon);
}

#[test]
fn a_daemon_that_is_started_on_a_full_disk_serves_and_can_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::at(&folder.path().join("disk"));
    let mut daemon = Daemon::with_python_in(&disk.0);
    daemon.says(&["vm", "create", "python", "--name", "old"]);
    let write = "dd if=/dev/urandom of=/kept bs=1M count=40 conv=fsync 2>/dev/null";
    daemon.says(&["vm", "exec", "old", "--", "sh", "-c", write]);
    daemon.stop(Signal::SIGKILL);
    disk.leave(0);
    daemon.start_again();
    let list = daemon.says(&["vm", "ls"]);
    assert!(list.contains("old") && list.contains("running"), "{list}");
    let there = daemon.says(&["vm", "exec", "old", "--", "wc", "-c", "/kept"]);
    assert_eq!(there, "41943040 /kept\n");
    // What an earlier daemon's clones held is free again.
    disk.leave(0);
    daemon.says(&["vm", "rm", "old"]);
    daemon.says(&["vm", "create", "python", "--name", "new"]);
    daemon.says(&["vm", "rm", "new"]);
    drop(daemon);
}
