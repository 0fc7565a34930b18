//! System calls without the C library's own `mmap`.

use std::ffi::{c_int, c_void};

/// The arguments of one `mmap`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapping {
    pub(super) address: *mut c_void,
    pub(super) len: usize,
    pub(super) protection: c_int,
    pub(super) flags: c_int,
    pub(super) fd: c_int,
    pub(super) offset: i64,
}

impl Mapping {
    /// Calls the kernel; `MAP_FAILED` and errno as the C library does it.
    pub(super) fn call(self) -> *mut c_void {
        // SAFETY: the arguments are the caller's of `mmap`, or differ from them only in how the
        // memory behaves and never in where it goes.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mmap,
                self.address,
                self.len,
                self.protection,
                self.flags,
                self.fd,
                self.offset,
            )
        };
        result as *mut c_void
    }

    /// The same, but what is written stays with this process.
    pub(super) fn private(self) -> Self {
        // Every kind of sharing is in this mask (mmap(2)); pages come one by one as they are used.
        let flags = self.flags & !(libc::MAP_TYPE | libc::MAP_SYNC | libc::MAP_POPULATE);
        Self {
            flags: flags | libc::MAP_PRIVATE | libc::MAP_NORESERVE,
            ..self
        }
    }
}

/// The device and inode of an open file.
pub(super) fn identity(fd: c_int) -> Option<(u64, u64)> {
    // SAFETY: any bytes make a `stat`, zeros too.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is that of a `stat` of ours.
    let result = unsafe { libc::fstat(fd, &raw mut stat) };
    (result == 0).then_some((stat.st_dev, stat.st_ino))
}

pub(super) fn close(fd: c_int) {
    // SAFETY: closes a number that was inherited for this library's use only.
    unsafe { libc::close(fd) };
}
