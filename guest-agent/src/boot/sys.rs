//! The loopback interface, and the agent's place in the scheduler.
#![expect(unsafe_code, reason = "ioctls of netdevice(7), sched(7)")]

use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::errno::Errno;

/// linux/sched.h; children of a process that has it are scheduled as anybody is.
const SCHED_RESET_ON_FORK: libc::c_int = 0x4000_0000;

/// Lets this process, and none that it starts, go before all others.
pub(super) fn go_first() -> Result<(), Errno> {
    let normal = libc::sched_param { sched_priority: 0 };
    // SAFETY: system calls on numbers and on a structure of this frame.
    unsafe {
        let policy = libc::SCHED_OTHER | SCHED_RESET_ON_FORK;
        Errno::result(libc::sched_setscheduler(0, policy, &raw const normal))?;
        Errno::result(libc::setpriority(libc::PRIO_PROCESS, 0, -20))?;
    }
    Ok(())
}

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
