//! Descriptors that come from other processes.

use std::{
    io::{self, IoSliceMut},
    os::{
        fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// Receives bytes and the descriptors that came with them; 0 bytes at the end of the stream.
pub(crate) fn receive(stream: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut room = nix::cmsg_space!([std::os::fd::RawFd; 4]);
    let mut slices = [IoSliceMut::new(bytes)];
    let message = recvmsg::<()>(
        stream.as_raw_fd(),
        &mut slices,
        Some(&mut room),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            for number in numbers {
                // SAFETY: the kernel has just installed this descriptor for us, and nobody else
                // knows its number.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    Ok((message.bytes, descriptors))
}

/// A descriptor of a process (pidfd_open(2)).
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    own(fd)
}

/// A copy of another process's descriptor (pidfd_getfd(2)); takes the right to trace it.
pub(crate) fn pidfd_getfd(process: impl AsFd, number: i32) -> io::Result<OwnedFd> {
    let process = process.as_fd().as_raw_fd();
    // SAFETY: the call takes three integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process, number, 0) };
    own(fd)
}

pub(super) fn own(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
