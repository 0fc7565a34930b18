//! A scratch disk as it was at one moment, taken while its machine stands still.
//!
//! Where the file system shares blocks between files, taking it costs nothing. Elsewhere what is allocated is
//! copied: into memory where it is little, because writing it out can wait until the machine goes on.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::Path,
};

use nix::unistd::{Whence, lseek};

use crate::{DiskError, ScratchDisk, copy_extents, sys::reflink};

/// Up to so much is held in memory; more is written to a file while the machine waits.
const IN_MEMORY_BYTES: u64 = 64 << 20;

/// What a scratch disk held.
#[derive(Debug)]
pub struct DiskMoment {
    len_bytes: u64,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// The allocated extents by their offsets.
    Memory(Vec<(u64, Vec<u8>)>),
    /// A file that nobody writes.
    File(File),
}

impl DiskMoment {
    /// Takes what the disk of a machine that stands still holds; `folder` is for files without a name, on the
    /// disk's own file system. Blocks.
    ///
    /// # Errors
    /// When the disk can't be read, or the file system of `folder` is full.
    pub fn take(disk: &File, folder: &Path) -> io::Result<Self> {
        let metadata = disk.metadata()?;
        let len_bytes = metadata.len();
        let shared = ScratchDisk::unnamed(folder, len_bytes).map_err(as_io)?;
        if reflink(disk, &shared).is_ok() {
            return Ok(Self::of_file(shared, len_bytes));
        }
        if metadata.blocks() * 512 > IN_MEMORY_BYTES {
            copy_extents(disk, &shared)?;
            return Ok(Self::of_file(shared, len_bytes));
        }
        Ok(Self {
            len_bytes,
            held: Held::Memory(read_extents(disk)?),
        })
    }

    /// Of a file that nobody writes any more.
    pub fn of_file(file: File, len_bytes: u64) -> Self {
        Self {
            len_bytes,
            held: Held::File(file),
        }
    }

    /// The disk's size in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// What it holds in bytes, about.
    ///
    /// # Errors
    /// When its file can't be looked at.
    pub fn held_bytes(&self) -> io::Result<u64> {
        match &self.held {
            Held::Memory(extents) => Ok(extents.iter().map(|(_, bytes)| bytes.len() as u64).sum()),
            Held::File(file) => Ok(file.metadata()?.blocks() * 512),
        }
    }

    /// Puts it in the place of what a file of the disk's size holds. Blocks; does not sync.
    ///
    /// # Errors
    /// When the file system is full, or fails.
    pub fn replace(&self, file: &File) -> io::Result<()> {
        // What was written becomes holes again.
        file.set_len(0)?;
        file.set_len(self.len_bytes)?;
        self.write_to(file)
    }

    /// Writes it into an empty sparse file of the disk's size. Blocks; does not sync.
    ///
    /// # Errors
    /// When the file system is full, or fails.
    pub fn write_to(&self, file: &File) -> io::Result<()> {
        match &self.held {
            Held::File(held) => {
                if reflink(held, file).is_err() {
                    copy_extents(held, file)?;
                }
            }
            Held::Memory(extents) => {
                for (offset, bytes) in extents {
                    file.write_all_at(bytes, *offset)?;
                }
            }
        }
        Ok(())
    }
}

fn read_extents(disk: &File) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let mut extents = Vec::new();
    let mut position = 0;
    loop {
        let start = match lseek(disk, position, Whence::SeekData) {
            Ok(start) => start,
            // No data behind this position.
            Err(nix::errno::Errno::ENXIO) => return Ok(extents),
            Err(errno) => return Err(errno.into()),
        };
        position = lseek(disk, start, Whence::SeekHole)?;
        let len = usize::try_from(position - start).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        disk.read_exact_at(&mut bytes, start as u64)?;
        extents.push((start as u64, bytes));
    }
}

fn as_io(error: DiskError) -> io::Error {
    match error {
        DiskError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, path::PathBuf, process::Command};

    use nix::sys::statvfs::statvfs;

    use super::*;

    #[test]
    fn it_takes_the_place_of_all_that_a_disk_held() {
        let folder = tempfile::tempdir().unwrap();
        let file = || ScratchDisk::unnamed(folder.path(), 1 << 20).unwrap();
        let disk = file();
        disk.write_all_at(b"moment", 8192).unwrap();
        let used = file();
        used.write_all_at(&[7; 1 << 16], 0).unwrap();
        let moment = DiskMoment::take(&disk, folder.path()).unwrap();
        moment.replace(&used).unwrap();
        let (mut expected, mut found) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        disk.read_exact_at(&mut expected, 0).unwrap();
        used.read_exact_at(&mut found, 0).unwrap();
        assert!(found == expected);
        assert_eq!(used.metadata().unwrap().len(), 1 << 20);
    }

    /// An XFS, whose files may share blocks.
    struct Xfs(tempfile::TempDir);

    impl Xfs {
        fn mount() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let image = folder.path().join("image");
            File::create(&image).unwrap().set_len(512 << 20).unwrap();
            let xfs = Self(folder);
            std::fs::create_dir(xfs.path()).unwrap();
            run("mkfs.xfs", &["-q".as_ref(), image.as_ref()]);
            let options = ["-o", "loop"].map(OsStr::new);
            run(
                "mount",
                &[&options[..], &[image.as_ref(), xfs.path().as_ref()]].concat(),
            );
            xfs
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("mounted")
        }

        fn used_bytes(&self) -> u64 {
            let stat = statvfs(&self.path()).unwrap();
            (stat.blocks() - stat.blocks_free()) * stat.fragment_size()
        }
    }

    impl Drop for Xfs {
        fn drop(&mut self) {
            run("umount", &[self.path().as_ref()]);
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "tools that are waited for, by a test"
    )]
    fn run(program: &str, arguments: &[&OsStr]) {
        let done = Command::new(program).args(arguments).output();
        let done = done.unwrap_or_else(|error| panic!("{program}: {error}; run `make setup-test`"));
        assert!(done.status.success(), "{program}: {done:?}");
    }

    #[test]
    fn where_files_share_blocks_it_costs_none_and_nor_do_its_copies() {
        let xfs = Xfs::mount();
        what_is_written_later_is_not_in_one_in(&xfs.path());
        let disk = ScratchDisk::unnamed(&xfs.path(), 128 << 20).unwrap();
        disk.write_all_at(&vec![7; 32 << 20], 1 << 20).unwrap();
        disk.sync_all().unwrap();
        let before = xfs.used_bytes();
        let moment = DiskMoment::take(&disk, &xfs.path()).unwrap();
        assert!(matches!(moment.held, Held::File(_)));
        let copy = ScratchDisk::unnamed(&xfs.path(), 128 << 20).unwrap();
        moment.write_to(&copy).unwrap();
        copy.sync_all().unwrap();
        let grown = xfs.used_bytes() - before;
        assert!(grown < 1 << 20, "{grown} bytes for two copies of 32 MiB");
        let mut found = [0; 5];
        copy.read_exact_at(&mut found, 20 << 20).unwrap();
        assert_eq!(found, [7; 5]);
    }

    #[test]
    fn what_is_written_later_is_not_in_it() {
        let folder = tempfile::tempdir().unwrap();
        what_is_written_later_is_not_in_one_in(folder.path());
    }

    fn what_is_written_later_is_not_in_one_in(folder: &Path) {
        let file = |len| ScratchDisk::unnamed(folder, len).unwrap();
        // A little, and more than is held in memory.
        for data_bytes in [5, (IN_MEMORY_BYTES + 1) as usize] {
            let len = 256 << 20;
            let disk = file(len);
            disk.write_all_at(b"begin", 0).unwrap();
            disk.write_all_at(&vec![7; data_bytes], 128 << 20).unwrap();
            let moment = DiskMoment::take(&disk, folder).unwrap();
            disk.write_all_at(b"later", 0).unwrap();
            let held = moment.held_bytes().unwrap();
            assert!((5..len).contains(&held), "{held}");
            for _ in 0..2 {
                let copy = file(moment.len_bytes());
                moment.write_to(&copy).unwrap();
                let mut found = [0; 5];
                copy.read_exact_at(&mut found, 0).unwrap();
                assert_eq!(&found, b"begin");
                copy.read_exact_at(&mut found, (128 << 20) + data_bytes as u64 - 5)
                    .unwrap();
                assert_eq!(found, [7; 5]);
                assert!(copy.metadata().unwrap().blocks() * 512 < held + (1 << 20));
            }
        }
    }
}
