//! The loopback interface.
#![expect(unsafe_code, reason = "ioctls of netdevice(7)")]

use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::errno::Errno;

/// Brings `lo` up; the kernel gives it its addresses by itself.
pub(super) fn loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: both calls get an ifreq that lives in this frame and is all zero but for the name
    // and, in the second, the flags that the first has filled in.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = from.cast_signed();
        }
        let fd = socket.as_raw_fd();
        Errno::result(libc::ioctl(fd, libc::SIOCGIFFLAGS, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        Errno::result(libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request))?;
    }
    Ok(())
}
