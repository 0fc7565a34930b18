//! One userfaultfd of one VMM.
//!
//! The kernel's interface is declared here and not taken from the `userfaultfd` crate, whose build
//! needs libclang. Source: Linux's `include/uapi/linux/userfaultfd.h`, ioctl_userfaultfd(2).

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
};

/// `uffd_msg`, as far as page faults go.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Message {
    event: u8,
    reserved: [u8; 7],
    flags: u64,
    address: u64,
    thread: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    start: u64,
    len: u64,
}

#[repr(C)]
#[derive(Debug)]
pub(super) struct Copy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copy: i64,
}

/// `uffdio_zeropage` and `uffdio_continue`, which look the same.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Mapped {
    range: Range,
    mode: u64,
    mapped: i64,
}

const EVENT_PAGEFAULT: u8 = 0x12;
const API: u64 = 0xaa;

/// The ioctls, in a module of their own for the macros' sake.
mod ioctl {
    use super::{Api, Copy, Mapped, Range};

    nix::ioctl_readwrite!(api, 0xaa, 0x3f, Api);
    nix::ioctl_read!(unregister, 0xaa, 0x01, Range);
    nix::ioctl_read!(wake, 0xaa, 0x02, Range);
    nix::ioctl_readwrite!(copy, 0xaa, 0x03, Copy);
    nix::ioctl_readwrite!(zeropage, 0xaa, 0x04, Mapped);
    nix::ioctl_readwrite!(resume, 0xaa, 0x07, Mapped);
    nix::ioctl_write_int_bad!(new, nix::request_code_none!(0xaa, 0x00));
}

/// Faults that were read and not yet answered.
#[derive(Debug)]
pub(crate) struct FaultBuffer(Vec<Message>);

impl FaultBuffer {
    pub(crate) fn new(faults: usize) -> Self {
        Self(vec![Message::default(); faults])
    }
}

/// A userfaultfd that reports the faults of another process.
#[derive(Debug)]
pub(crate) struct Userfault(OwnedFd);

/// What came of asking the kernel to resolve a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// So many bytes from the start are mapped now, and their waiters awake.
    Done(u64),
    /// The first page was mapped already.
    Present,
    /// Nothing was done; the address space is changing.
    Retry,
    /// The process is gone.
    Gone,
    /// The range is not registered (any more).
    Unregistered,
    /// The kernel refused for another reason.
    Failed(Errno),
}

impl Userfault {
    /// Takes a descriptor; reads of it will not block.
    ///
    /// # Errors
    /// When it is no userfaultfd.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let name = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
        if name.as_os_str() != "anon_inode:[userfaultfd]" {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the descriptor is no userfaultfd",
            ));
        }
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self(fd))
    }

    /// Reads the faults that are pending, as addresses; none when there are none.
    pub(crate) fn faults<'a>(
        &self,
        buffer: &'a mut FaultBuffer,
    ) -> io::Result<impl Iterator<Item = u64> + 'a> {
        let messages = &mut buffer.0;
        // SAFETY: the kernel writes at most the slice's length, and any bytes make a `Message`.
        let read = unsafe {
            libc::read(
                self.0.as_raw_fd(),
                messages.as_mut_ptr().cast(),
                size_of_val(messages.as_slice()),
            )
        };
        let bytes = match usize::try_from(read) {
            Ok(bytes) => bytes,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => 0,
                error => return Err(error),
            },
        };
        let read = &messages[..bytes / size_of::<Message>()];
        // No other event was asked for.
        let faults = read
            .iter()
            .filter(|message| message.event == EVENT_PAGEFAULT);
        Ok(faults.map(|message| message.address))
    }

    /// Maps pages that are in the file (`UFFDIO_CONTINUE`).
    pub(crate) fn resume(&self, address: u64, len: u64) -> Outcome {
        let mut request = Mapped::of(address, len);
        // SAFETY: the kernel changes page tables of ranges that their owner registered with this
        // descriptor, and writes its answer into `request`.
        let result = unsafe { ioctl::resume(self.0.as_raw_fd(), &raw mut request) };
        outcome(result, request.mapped)
    }

    /// Maps the zero page (`UFFDIO_ZEROPAGE`).
    pub(crate) fn zero(&self, address: u64, len: u64) -> Outcome {
        let mut request = Mapped::of(address, len);
        // SAFETY: as for `resume`; only pages that were missing change.
        let result = unsafe { ioctl::zeropage(self.0.as_raw_fd(), &raw mut request) };
        outcome(result, request.mapped)
    }

    /// Gives the process its own copy of pages (`UFFDIO_COPY`).
    pub(crate) fn copy(&self, address: u64, bytes: &[u8]) -> Outcome {
        let mut request = Copy {
            dst: address,
            src: bytes.as_ptr() as u64,
            len: bytes.len() as u64,
            mode: 0,
            copy: 0,
        };
        // SAFETY: the kernel reads `bytes`, which are borrowed for the call, and fills pages that
        // their owner registered with this descriptor and that were missing.
        let result = unsafe { ioctl::copy(self.0.as_raw_fd(), &raw mut request) };
        outcome(result, request.copy)
    }

    /// Lets every thread that waits for a page of the range try again (`UFFDIO_WAKE`).
    pub(crate) fn wake(&self, address: u64, len: u64) -> Result<(), Errno> {
        let mut range = Range {
            start: address,
            len,
        };
        // SAFETY: the kernel reads `range` and changes no memory.
        unsafe { ioctl::wake(self.0.as_raw_fd(), &raw mut range) }.map(drop)
    }

    /// Leaves the range to the kernel; who waits there tries again (`UFFDIO_UNREGISTER`).
    pub(crate) fn unregister(&self, address: u64, len: u64) -> Outcome {
        let mut range = Range {
            start: address,
            len,
        };
        // SAFETY: the kernel reads `range` and changes no page.
        match unsafe { ioctl::unregister(self.0.as_raw_fd(), &raw mut range) } {
            Ok(_) => Outcome::Done(len),
            // What this one call says of a process that has ended. A registered region is left as
            // a whole, which needs no memory.
            Err(Errno::ENOMEM) => Outcome::Gone,
            Err(errno) => failure(errno),
        }
    }
}

impl AsFd for Userfault {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Mapped {
    fn of(start: u64, len: u64) -> Self {
        Self {
            range: Range { start, len },
            mode: 0,
            mapped: 0,
        }
    }
}

/// A call that did a part reports EAGAIN and how much it did; one that did nothing reports the
/// error as the count too.
fn outcome(result: nix::Result<i32>, done: i64) -> Outcome {
    match (result, u64::try_from(done)) {
        (Ok(_) | Err(Errno::EAGAIN), Ok(done)) if done > 0 => Outcome::Done(done),
        (Ok(_), _) => Outcome::Retry,
        (Err(errno), _) => failure(errno),
    }
}

fn failure(errno: Errno) -> Outcome {
    match errno {
        Errno::EEXIST => Outcome::Present,
        Errno::EAGAIN => Outcome::Retry,
        Errno::ESRCH => Outcome::Gone,
        Errno::ENOENT => Outcome::Unregistered,
        other => Outcome::Failed(other),
    }
}

/// Asks an open /dev/userfaultfd for a userfaultfd with these features, closed on exec, that also
/// catches faults of the kernel.
pub(crate) fn from_device(device: BorrowedFd<'_>, features: u64) -> io::Result<OwnedFd> {
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: the call takes an integer and touches no memory of ours.
    let number = unsafe { ioctl::new(device.as_raw_fd(), flags) }?;
    enable(super::descriptors::own(number.into())?, features)
}

/// Asks the kernel for a userfaultfd by the system call, which takes CAP_SYS_PTRACE unless the
/// host allows it to everybody.
pub(crate) fn from_syscall(features: u64) -> io::Result<OwnedFd> {
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: the call takes an integer and touches no memory of ours.
    let number = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
    enable(super::descriptors::own(number)?, features)
}

fn enable(uffd: OwnedFd, features: u64) -> io::Result<OwnedFd> {
    let mut request = Api {
        api: API,
        features,
        ioctls: 0,
    };
    // SAFETY: the kernel reads and writes `request` only.
    unsafe { ioctl::api(uffd.as_raw_fd(), &raw mut request) }?;
    Ok(uffd)
}
