//! The one writable mapping of a template's memfd.

use std::{
    fs::File,
    io,
    num::NonZeroUsize,
    ptr::{self, NonNull},
};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};

/// A writable shared mapping that is only ever written through [`store`](Self::store).
#[derive(Debug)]
pub(crate) struct SharedMapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; `store` demands of its callers that no
// two threads write the same range, and nothing reads through it.
unsafe impl Send for SharedMapping {}
// SAFETY: as above; `&self` gives no way to read the memory.
unsafe impl Sync for SharedMapping {}

impl SharedMapping {
    /// Maps all `len` bytes of a memfd that is not yet sealed.
    pub(crate) fn new(memfd: &File, len: NonZeroUsize) -> io::Result<Self> {
        // SAFETY: the kernel chooses the address, so no mapping of ours is replaced.
        let start = unsafe {
            mmap(
                None,
                len,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE,
                memfd,
                0,
            )
        }?;
        let mapping = Self {
            start: start.cast(),
            len: len.get(),
        };
        // A VMM is spawned by fork; its brief copy of this process needs none of these page tables.
        // SAFETY: the range is exactly the mapping made above.
        unsafe { madvise(start, len.get(), MmapAdvise::MADV_DONTFORK) }?;
        Ok(mapping)
    }

    /// Copies `bytes` to `offset`.
    ///
    /// The pages are made first, by a call that reports a lack of memory as an error, where a store
    /// would end the process (SIGBUS).
    ///
    /// The caller sees to it that no other thread stores to the same range at the same time.
    pub(crate) fn store(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let fits = offset
            .checked_add(bytes.len())
            .is_some_and(|end| end <= self.len);
        if !fits {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: `offset` was checked against the mapping's length.
        let target = unsafe { self.start.add(offset) };
        populate(target, bytes.len())?;
        // SAFETY: the target lies inside the mapping and is present; `bytes` is ordinary memory of
        // ours and can't overlap a mapping of which no reference is ever given out. VMMs read these
        // pages through mappings of their own only after the chunk is published as filled.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target.as_ptr(), bytes.len()) };
        Ok(())
    }
}

impl Drop for SharedMapping {
    fn drop(&mut self) {
        // SAFETY: the range is exactly what `new` mapped, and nothing refers to it after this.
        if let Err(error) = unsafe { munmap(self.start.cast(), self.len) } {
            tracing::warn!(%error, "could not unmap a template's memory");
        }
    }
}

fn populate(start: NonNull<u8>, len: usize) -> io::Result<()> {
    loop {
        // SAFETY: advises on a range inside a mapping of ours and changes no byte of it.
        let result =
            unsafe { libc::madvise(start.as_ptr().cast(), len, libc::MADV_POPULATE_WRITE) };
        if result == 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => match error.raw_os_error() {
                // Before Linux 5.14, where a lack of memory can't be told ahead.
                Some(libc::EINVAL) => return Ok(()),
                // What a failed charge or a full tmpfs is reported as.
                Some(libc::EFAULT) => return Err(io::ErrorKind::OutOfMemory.into()),
                _ => return Err(error),
            },
        }
    }
}
