//! `vms/ID/`: the disks of VMs that stay.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{fd::AsRawFd as _, unix::fs::DirBuilderExt as _},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{AT_FDCWD, AtFlags},
    unistd::linkat,
};

use crate::LeaseId;

const SCRATCH: &str = "scratch.img";

/// The folder of VMs that stay. Only this writes it.
#[derive(Debug, Clone)]
pub(crate) struct VmFolders {
    folder: PathBuf,
}

impl VmFolders {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        private_folder(true).create(&folder)?;
        Ok(Self { folder })
    }

    /// Gives a disk that has no name one in the VM's folder. It is on the disk, name and all, when this
    /// returns; what it holds is the guest's to sync.
    ///
    /// # Errors
    /// Nothing is left then.
    pub(crate) fn link(&self, id: &LeaseId, scratch: &File) -> io::Result<()> {
        let path = self.path(id);
        private_folder(false).create(&path)?;
        let linked = self.link_into(&path, scratch);
        if linked.is_err() {
            // The next start removes what can't be removed now.
            let _ = fs::remove_dir_all(&path);
        }
        linked
    }

    fn link_into(&self, path: &Path, scratch: &File) -> io::Result<()> {
        // linkat(2): how a file of O_TMPFILE gets a name without privileges.
        let unnamed = format!("/proc/self/fd/{}", scratch.as_raw_fd());
        let named = path.join(SCRATCH);
        linkat(
            AT_FDCWD,
            unnamed.as_str(),
            AT_FDCWD,
            &named,
            AtFlags::AT_SYMLINK_FOLLOW,
        )?;
        File::open(path)?.sync_all()?;
        File::open(&self.folder)?.sync_all()
    }

    /// Opens a VM's disk.
    pub(crate) fn scratch(&self, id: &LeaseId) -> io::Result<File> {
        File::options()
            .read(true)
            .write(true)
            .open(self.path(id).join(SCRATCH))
    }

    /// Removes a VM's folder; it is no error when there is none.
    pub(crate) fn remove(&self, id: &LeaseId) -> io::Result<()> {
        match fs::remove_dir_all(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes every folder that is of none of these VMs.
    pub(crate) fn sweep(&self, keep: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(&keep) {
                tracing::warn!(path = %entry.path().display(), "removed the folder of a VM that was never kept, or was released");
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, id: &LeaseId) -> PathBuf {
        self.folder.join(id.as_str())
    }
}

fn private_folder(recursive: bool) -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(recursive).mode(0o700);
    builder
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use thaw_vmm::ScratchDisk;

    use super::*;

    #[test]
    fn an_unnamed_disk_gets_a_name_once_and_a_sweep_spares_what_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let folders = VmFolders::open(root.path().join("vms")).unwrap();
        let disk = ScratchDisk::unnamed(root.path(), 1 << 20).unwrap();
        disk.write_all_at(b"kept", 0).unwrap();
        let id = LeaseId("vm-1".into());
        folders.link(&id, &disk).unwrap();
        drop(disk);
        let mut found = [0; 4];
        let named = folders.scratch(&id).unwrap();
        named.read_exact_at(&mut found, 0).unwrap();
        assert_eq!(&found, b"kept");
        assert!(folders.link(&id, &named).is_err());
        folders.scratch(&id).unwrap();
        folders.sweep(|name| name == "vm-1").unwrap();
        folders.scratch(&id).unwrap();
        folders.sweep(|_| false).unwrap();
        assert!(folders.scratch(&id).is_err());
        folders.remove(&id).unwrap();
    }
}
