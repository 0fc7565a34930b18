#![expect(
    unsafe_code,
    reason = "code between fork and exec, and raw system calls"
)]
//! What the child does between fork and exec, process descriptors, and files that share blocks.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use nix::{
    sys::{
        prctl,
        resource::{Resource, setrlimit},
        signal::Signal,
        stat::{Mode, umask},
    },
    unistd::{Gid, Uid, setgroups, setresgid, setresuid, setsid},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::Command,
};

/// Arranges for the child to be a session of its own without privileges; with a `uid` it becomes
/// that user, in the group of the same number and in `extra_group`.
pub(crate) fn confine(command: &mut Command, uid: Option<u32>, extra_group: Option<u32>) {
    let extra: Vec<Gid> = extra_group.map(Gid::from_raw).into_iter().collect();
    let enter = move || -> io::Result<()> {
        setsid()?;
        umask(Mode::from_bits_truncate(0o077));
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        if let Some(uid) = uid {
            setgroups(&extra)?;
            let gid = Gid::from_raw(uid);
            setresgid(gid, gid, gid)?;
            // From root to another user this drops every capability (capabilities(7)).
            let uid = Uid::from_raw(uid);
            setresuid(uid, uid, uid)?;
        }
        // A huge page of translated code takes 2 MiB for the first byte of it.
        prctl::set_thp_disable(true)?;
        prctl::set_no_new_privs()?;
        Ok(())
    };
    // SAFETY: the closure makes system calls only; it does not allocate, lock or touch memory that
    // another thread of the parent may have left in an odd state. `extra` was made before the fork.
    unsafe { command.pre_exec(enter) };
}

/// Makes `to` share all blocks of `from` until either is written (ioctl_ficlone(2)); what `to` held is gone.
///
/// # Errors
/// Where the file system can't do that, above all; `to` is as it was then.
pub(crate) fn reflink(from: &File, to: &File) -> io::Result<()> {
    // SAFETY: the call takes two descriptors that are open for as long as it lasts, and touches no memory.
    let done = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A descriptor of a process (pidfd_open(2)).
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends a signal through a process's descriptor (pidfd_send_signal(2)); a process that is gone is no error.
pub(crate) fn pidfd_kill(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open, and a null info is what kill(2) would fill in.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal as i32,
            no_info,
            0,
        )
    };
    match io::Error::last_os_error() {
        _ if result == 0 => Ok(()),
        error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(error),
    }
}

/// Lets the runtime watch a process's descriptor, which is readable when the process has ended.
pub(crate) fn watch_process(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one open descriptor for as long as it lives, and is not closed before the
    // `AsyncFd` that owns it has taken it out of the runtime's set.
    Ok(unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) }?)
}

/// The CPU's time stamp counter.
pub(crate) fn time_stamp_counter() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and it reads a register only.
    unsafe { std::arch::x86_64::_rdtsc() }
}
