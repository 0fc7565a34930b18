//! Folders of this machine as tar archives, both ways. The work blocks; it is done on threads of its own.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use tar::{Archive, Builder, Header};

/// Writes a folder's entries as an archive. In a VM they belong to root: who owns them here means nothing there.
///
/// # Errors
/// A file that can't be read, or a reader that has left.
pub(super) fn pack(folder: &Path, out: impl Write) -> io::Result<()> {
    let mut archive = Builder::new(out);
    let mut folders = vec![PathBuf::new()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inside))? {
            let name = inside.join(entry?.file_name());
            let path = folder.join(&name);
            let metadata = fs::symlink_metadata(&path)?;
            let mut header = Header::new_gnu();
            header.set_metadata(&metadata);
            header.set_uid(0);
            header.set_gid(0);
            if metadata.is_symlink() {
                archive.append_link(&mut header, &name, fs::read_link(&path)?)?;
            } else if metadata.is_file() {
                let file = fs::File::open(&path)?.take(metadata.len());
                archive.append_data(&mut header, &name, file)?;
            } else if metadata.is_dir() {
                archive.append_data(&mut header, &name, io::empty())?;
                folders.push(name);
            }
        }
    }
    archive.into_inner()?.flush()
}

/// Unpacks an archive that a VM made into a folder, which is made where it is missing. Nothing is written
/// outside of it, whatever the archive says.
///
/// # Errors
/// An archive that is not whole, or a disk that refuses.
pub(super) fn unpack(archive: impl Read, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut archive = Archive::new(archive);
    archive
        .unpack(folder)
        .with_context(|| format!("unpacking into {}", folder.display()))?;
    // The server is heard to its end: an archive that broke off is told.
    io::copy(&mut archive.into_inner(), &mut io::sink()).context("the archive is not whole")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_archive_of_a_vm_writes_nothing_outside_of_its_folder() {
        let top = tempfile::tempdir().unwrap();
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "out", top.path()).unwrap();
        let mut header = Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        tar.append_data(&mut header, "out/evil", &b"x"[..]).unwrap();
        let archive = tar.into_inner().unwrap();
        let inside = top.path().join("inside");
        assert!(unpack(&archive[..], &inside).is_err());
        assert!(!top.path().join("evil").exists());
    }

    #[test]
    fn a_folder_goes_through_an_archive_and_back() {
        let top = tempfile::tempdir().unwrap();
        let from = top.path().join("from");
        fs::create_dir_all(from.join("deep/empty")).unwrap();
        fs::write(from.join("deep/file"), "content").unwrap();
        symlink("file", from.join("deep/link")).unwrap();
        let mut archive = Vec::new();
        pack(&from, &mut archive).unwrap();
        let to = top.path().join("to");
        unpack(&archive[..], &to).unwrap();
        assert_eq!(fs::read(to.join("deep/file")).unwrap(), b"content");
        assert!(to.join("deep/empty").is_dir());
        assert_eq!(
            fs::read_link(to.join("deep/link")).unwrap(),
            Path::new("file")
        );
        assert!(unpack(&archive[..700], &to).is_err());
    }
}
