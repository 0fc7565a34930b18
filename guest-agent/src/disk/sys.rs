//! The ioctl that makes a mounted ext4 larger.
#![expect(unsafe_code, reason = "an ioctl of ext4")]

use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::errno::Errno;

/// `_IOW('f', 16, __u64)` of fs/ext4/ext4.h.
const EXT4_IOC_RESIZE_FS: libc::c_ulong = 0x4008_6610;

/// Lets the file system in which `inside` lies have this many blocks.
pub(super) fn resize(inside: BorrowedFd<'_>, blocks: u64) -> Result<(), Errno> {
    // SAFETY: the kernel reads one u64 of this frame.
    let done = unsafe { libc::ioctl(inside.as_raw_fd(), EXT4_IOC_RESIZE_FS, &raw const blocks) };
    Errno::result(done).map(drop)
}
