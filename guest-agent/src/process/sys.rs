//! Starts a process without copying the agent's address space.
//!
//! `clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD)` on a stack of its own, which is what posix_spawn does
//! inside. Done here because posix_spawn can set neither ids nor a controlling terminal, and
//! because a fork costs ten times as much under software emulation.
#![expect(
    unsafe_code,
    reason = "clone, and system calls in a child that shares memory"
)]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
    ptr,
};

use nix::{errno::Errno, unistd::Pid};
use thaw_guest_protocol::ExitStatus;

/// Room for the few frames between clone and execve.
const STACK_BYTES: usize = 32 * 1024;

/// The descriptors 0 to 3 of the child; a duplicate below 10 could be one that is still to be placed.
const SAFE_FD: c_int = 10;

/// Open files of a program: select(2) can't do more than the first, programs may ask for the second
/// (systemd's defaults).
static OPEN_FILES: libc::rlimit = libc::rlimit {
    rlim_cur: 1024,
    rlim_max: 524_288,
};

/// Who a program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// What the child was doing when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The process itself could not be made.
    Clone,
    /// Placing descriptors, starting the session, taking the terminal.
    Setup,
    /// Changing to another user.
    Ids,
    /// Changing the working directory.
    Cwd,
    /// Running the program.
    Exec,
}

/// Everything that the child needs, allocated before it exists.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Paths to try in order.
    pub(crate) candidates: &'a [CString],
    /// The arguments, the program's name first.
    pub(crate) argv: &'a [CString],
    pub(crate) envp: &'a [CString],
    pub(crate) cwd: &'a CStr,
    /// What becomes descriptors 0, 1, 2 and so on. They must be close-on-exec themselves.
    pub(crate) fds: &'a [RawFd],
    /// Descriptor 0 becomes the controlling terminal.
    pub(crate) terminal: bool,
    pub(crate) ids: Option<&'a Ids>,
}

struct Shared<'a> {
    plan: &'a Plan<'a>,
    argv: Vec<*const c_char>,
    /// `/bin/sh PATH ARGS…`, for a text file without an interpreter line; slot 1 is set by the child.
    script_argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    failed: Option<(Step, i32)>,
}

/// Starts the process in a session of its own; it has called execve when this returns.
pub(crate) fn spawn(plan: &Plan<'_>) -> Result<(Pid, OwnedFd), (Step, Errno)> {
    let mut shared = Shared {
        plan,
        argv: pointers(plan.argv),
        script_argv: script(plan.argv),
        envp: pointers(plan.envp),
        failed: None,
    };
    let mut stack = Vec::<u8>::with_capacity(STACK_BYTES);
    let mut pidfd: c_int = -1;
    let mask = block_all_signals();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack is 32 KiB that nobody else uses and outlives the call; its top is aligned to
    // 16 bytes. CLONE_VFORK holds this thread until the child has called execve or _exit, so the
    // child's use of `shared` ends before ours goes on. All signals are blocked in the child until it
    // calls execve, so no signal code of this program runs in it.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(STACK_BYTES);
        let top = top.sub(top as usize % 16);
        libc::clone(
            child_main,
            top.cast::<c_void>(),
            flags,
            ptr::from_mut(&mut shared).cast::<c_void>(),
            ptr::from_mut(&mut pidfd),
        )
    };
    let clone_error = Errno::last();
    restore_signals(&mask);
    if pid < 0 {
        return Err((Step::Clone, clone_error));
    }
    // SAFETY: clone succeeded, so the kernel has stored a new descriptor that is ours alone.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // SAFETY: a plain read of what the child may have written; volatile because the compiler cannot
    // see that write.
    let failed = unsafe { ptr::read_volatile(ptr::from_ref(&shared.failed)) };
    match failed {
        None => Ok((Pid::from_raw(pid), pidfd)),
        Some((step, errno)) => {
            // The child has gone through _exit; nobody else can reap it, since nobody knows it.
            let _ = nix::sys::wait::waitpid(Pid::from_raw(pid), None);
            Err((step, Errno::from_raw(errno)))
        }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let ends = std::iter::once(ptr::null());
    strings.iter().map(|s| s.as_ptr()).chain(ends).collect()
}

fn script(argv: &[CString]) -> Vec<*const c_char> {
    let mut pointers = vec![c"/bin/sh".as_ptr(), ptr::null()];
    pointers.extend(argv.iter().skip(1).map(|s| s.as_ptr()));
    pointers.push(ptr::null());
    pointers
}

fn block_all_signals() -> libc::sigset_t {
    // SAFETY: both sets are plain memory of this frame; sigfillset initialises the first whole.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: a set that pthread_sigmask itself has filled.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, ptr::from_ref(before), ptr::null_mut());
    }
}

extern "C" fn child_main(argument: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a `Shared` that outlives this process, and waits, so the reference is
    // exclusive.
    let shared = unsafe { &mut *argument.cast::<Shared<'_>>() };
    let (step, errno) = become_program(shared);
    shared.failed = Some((step, errno as i32));
    // SAFETY: ends this process only; 127 is never seen, since `spawn` reports `failed`.
    unsafe { libc::_exit(127) }
}

/// Runs in the child: system calls only, no allocation, no lock. Returns only when it failed.
fn become_program(shared: &mut Shared<'_>) -> (Step, Errno) {
    let plan = shared.plan;
    if let Err(errno) = set_up(plan) {
        return (Step::Setup, errno);
    }
    if let Some(ids) = plan.ids
        && let Err(errno) = change_ids(ids)
    {
        return (Step::Ids, errno);
    }
    // SAFETY: a string that ends in NUL.
    if unsafe { libc::chdir(plan.cwd.as_ptr()) } < 0 {
        return (Step::Cwd, Errno::last());
    }
    (Step::Exec, execute(shared))
}

fn set_up(plan: &Plan<'_>) -> Result<(), Errno> {
    // SAFETY: system calls on numbers. The first loop moves every descriptor out of the way of the
    // numbers that the second assigns; the array is on this stack.
    unsafe {
        check(libc::syscall(libc::SYS_setsid))?;
        let mut moved: [c_int; 4] = [-1; 4];
        for (slot, &fd) in moved.iter_mut().zip(plan.fds) {
            *slot = match fd {
                fd if fd >= SAFE_FD => fd,
                fd => check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, SAFE_FD).into())? as c_int,
            };
        }
        for (target, &fd) in (0..).zip(moved.iter().take(plan.fds.len())) {
            check(libc::dup2(fd, target).into())?;
        }
        // The agent's own limit is higher. A caller who may not set it keeps what it has.
        let _ = libc::setrlimit(libc::RLIMIT_NOFILE, &raw const OPEN_FILES);
        if plan.terminal {
            check(libc::ioctl(0, libc::TIOCSCTTY, 0).into())?;
        }
        // The Rust runtime ignores SIGPIPE, and an ignored signal stays ignored through execve.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    Ok(())
}

/// Raw system calls: the C library's functions would also change the threads of the parent.
fn change_ids(ids: &Ids) -> Result<(), Errno> {
    // SAFETY: the pointer and the length belong to one slice that lives in the parent's frame.
    unsafe {
        let groups = &ids.groups;
        check(libc::syscall(
            libc::SYS_setgroups,
            groups.len(),
            groups.as_ptr(),
        ))?;
        check(libc::syscall(
            libc::SYS_setresgid,
            ids.gid,
            ids.gid,
            ids.gid,
        ))?;
        check(libc::syscall(
            libc::SYS_setresuid,
            ids.uid,
            ids.uid,
            ids.uid,
        ))?;
    }
    Ok(())
}

fn execute(shared: &mut Shared<'_>) -> Errno {
    let mut verdict = Errno::ENOENT;
    // SAFETY: arrays of pointers to strings that end in NUL, themselves ending in a null pointer, all
    // owned by the waiting parent.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        for path in shared.plan.candidates {
            libc::execve(path.as_ptr(), shared.argv.as_ptr(), shared.envp.as_ptr());
            match Errno::last() {
                Errno::ENOENT | Errno::ENOTDIR => {}
                // As execvp(3): go on looking, but remember that there was one.
                Errno::EACCES => verdict = Errno::EACCES,
                Errno::ENOEXEC => {
                    shared.script_argv[1] = path.as_ptr();
                    libc::execve(
                        c"/bin/sh".as_ptr(),
                        shared.script_argv.as_ptr(),
                        shared.envp.as_ptr(),
                    );
                    return Errno::ENOEXEC;
                }
                errno => return errno,
            }
        }
    }
    verdict
}

fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result)
    }
}

/// Whose end to look for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    /// The child behind this pidfd.
    Pidfd(RawFd),
    /// The child of this number.
    Pid(Pid),
    /// Any child; it is shown and left as it is.
    Anyone,
}

/// Reaps (or shows) a child that has ended; `None` when there is none yet.
///
/// Not nix's `waitid`, which reaps a child that died of a real-time signal and then reports an error.
pub(crate) fn try_wait(whose: Whose) -> Result<Option<(Pid, ExitStatus)>, Errno> {
    let (kind, id, look) = match whose {
        Whose::Pidfd(fd) => (libc::P_PIDFD, fd.cast_unsigned(), 0),
        Whose::Pid(pid) => (libc::P_PID, pid.as_raw().cast_unsigned(), 0),
        Whose::Anyone => (libc::P_ALL, 0, libc::WNOWAIT),
    };
    // SAFETY: waitid fills the zeroed structure, or leaves it when there is nobody; both fields read
    // are those that it sets for an ended child.
    let (pid, code, status) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | look;
        Errno::result(libc::waitid(kind, id, &raw mut info, flags))?;
        (info.si_pid(), info.si_code, info.si_status())
    };
    Ok(match (pid, code) {
        (0, _) => None,
        (pid, libc::CLD_EXITED) => Some((Pid::from_raw(pid), ExitStatus::Exited(status))),
        (pid, _) => Some((Pid::from_raw(pid), ExitStatus::Signaled(status))),
    })
}

/// Sends a signal, real-time ones too, to a process group.
pub(crate) fn signal_group(group: Pid, signal: i32) -> Result<(), Errno> {
    // SAFETY: a system call on numbers.
    Errno::result(unsafe { libc::kill(-group.as_raw(), signal) }).map(drop)
}
