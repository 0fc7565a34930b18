//! The memory of a machine that was booted, and that an earlier process started.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{DirtyError, memory::is_mapped_shared};

/// Opens the memfd that is descriptor `number` of a VMM, which maps all `guest_bytes` of it shared.
///
/// The VMM may have put anything there since it was given it. So it is looked at without being opened first, and is read
/// only if it is a memfd: perhaps another one, but never a file that the VMM could name and not read.
///
/// # Errors
/// [`DirtyError::NotMapped`] when it is no such thing; when the process may not be looked at.
pub fn open_own_memory(pid: i32, number: i32, guest_bytes: u64) -> Result<File, DirtyError> {
    let given = File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(format!("/proc/{pid}/fd/{number}"));
    let given = match given {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(DirtyError::NotMapped(pid));
        }
        given => given.map_err(failed(pid, "find the memory"))?,
    };
    // One that only stands for another file is mapped by nobody.
    if !is_mapped_shared(pid, given.as_fd(), guest_bytes)? {
        return Err(DirtyError::NotMapped(pid));
    }
    let memory = open_memfd(&given).map_err(failed(pid, "open the memory"))?;
    memory.ok_or(DirtyError::NotMapped(pid))
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
    use std::{num::NonZeroUsize, os::unix::fs::FileExt as _};

    use super::*;
    use crate::{PAGE_BYTES, sys::SharedMapping};

    #[test]
    fn a_memfd_is_read_only_where_it_is_mapped_and_no_other_file_is_read() {
        let memfd = memfd_create("given", MFdFlags::MFD_CLOEXEC).unwrap();
        let memfd = File::from(memfd);
        memfd.set_len(PAGE_BYTES).unwrap();
        memfd.write_all_at(b"memory", 0).unwrap();
        let pid = std::process::id().cast_signed();
        let open = |bytes| open_own_memory(pid, memfd.as_raw_fd(), bytes);
        assert!(matches!(open(PAGE_BYTES), Err(DirtyError::NotMapped(_))));

        let len = NonZeroUsize::new(PAGE_BYTES as usize).unwrap();
        let _mapping = SharedMapping::new(&memfd, len).unwrap();
        assert!(matches!(
            open(2 * PAGE_BYTES),
            Err(DirtyError::NotMapped(_))
        ));
        let mut found = [0; 6];
        open(PAGE_BYTES)
            .unwrap()
            .read_exact_at(&mut found, 0)
            .unwrap();
        assert_eq!(&found, b"memory");

        let other = tempfile::tempfile().unwrap();
        assert!(matches!(open_memfd(&other), Ok(None)));
        let none = open_own_memory(pid, 1_000_000, PAGE_BYTES);
        assert!(matches!(none, Err(DirtyError::NotMapped(_))));
    }
}
