//! The memory of a VMM that an earlier process started, by the descriptor that it was given.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{DirtyError, GuestMemory};

/// What lies behind a descriptor of a VMM.
///
/// The VMM may have put anything there since. Where it maps the memory privately, only its own address space is
/// read. The file itself is read only if it is a memfd: that may be another one than it was given, but never a
/// file that the VMM could name and not read.
#[derive(Debug)]
pub struct GivenMemory {
    pid: i32,
    /// Opened by its path only: neither readable, nor waited for.
    file: File,
}

impl GivenMemory {
    /// Finds descriptor `number` of a VMM.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at, or has no such descriptor.
    pub fn of(pid: i32, number: i32) -> Result<Self, DirtyError> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(format!("/proc/{pid}/fd/{number}"))
            .map_err(failed(pid, "find the memory"))?;
        Ok(Self { pid, file })
    }

    /// The memory of a clone, which maps a template's memory privately, in whichever way.
    ///
    /// # Errors
    /// [`DirtyError::NotMapped`] when the process has no private mapping of it of this length.
    pub fn mapped_privately(&self, guest_bytes: u64) -> Result<GuestMemory, DirtyError> {
        GuestMemory::find_whole(self.pid, self.file.as_fd(), guest_bytes)
    }

    /// Opens the memory of a machine that was booted, which is its own memfd.
    ///
    /// # Errors
    /// When it is no memfd.
    pub fn open_own(&self) -> Result<File, DirtyError> {
        let failed = failed(self.pid, "open the memory");
        match open_memfd(&self.file) {
            Ok(Some(memory)) => Ok(memory),
            Ok(None) => Err(DirtyError::NotMapped(self.pid)),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The file behind a descriptor that was opened by its path only; none when it is no memfd.
fn open_memfd(file: &File) -> io::Result<Option<File>> {
    let ours = File::from(memfd_create("thaw-same-device", MFdFlags::MFD_CLOEXEC)?);
    let (theirs, ours) = (file.metadata()?, ours.metadata()?);
    // Every memfd lies on one device that nothing else lies on but other anonymous shared memory.
    if !theirs.is_file() || theirs.dev() != ours.dev() {
        return Ok(None);
    }
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).map(Some)
}

fn failed(pid: i32, attempt: &'static str) -> impl FnOnce(io::Error) -> DirtyError {
    move |source| DirtyError::Io {
        attempt,
        pid,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn a_memfd_behind_a_descriptor_is_read_and_no_other_file_is() {
        let memfd = memfd_create("given", MFdFlags::MFD_CLOEXEC).unwrap();
        let memfd = File::from(memfd);
        memfd.write_all_at(b"memory", 0).unwrap();
        let pid = std::process::id().cast_signed();
        let given = GivenMemory::of(pid, memfd.as_raw_fd()).unwrap();
        let mut found = [0; 6];
        given
            .open_own()
            .unwrap()
            .read_exact_at(&mut found, 0)
            .unwrap();
        assert_eq!(&found, b"memory");
        let unmapped = given.mapped_privately(6);
        assert!(matches!(unmapped, Err(DirtyError::NotMapped(_))));

        let other = tempfile::tempfile().unwrap();
        let given = GivenMemory::of(pid, other.as_raw_fd()).unwrap();
        assert!(matches!(given.open_own(), Err(DirtyError::NotMapped(_))));
        assert!(GivenMemory::of(pid, 1_000_000).is_err());
    }
}
