//! Registers the mapping with a userfaultfd and hands that over.
//!
//! Source of the numbers: Linux's `include/uapi/linux/userfaultfd.h`.

use std::{
    ffi::{c_int, c_ulong, c_void},
    mem, ptr,
};

use super::{calls::Mapping, fail::fail};
use crate::message;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

const API: u64 = 0xaa;
/// `_IO(0xAA, 0x00)` on /dev/userfaultfd.
const IOC_NEW: c_ulong = 0xaa00;
/// `_IOWR(0xAA, 0x3F, struct uffdio_api)`
const IOC_API: c_ulong = 0xc018_aa3f;
/// `_IOWR(0xAA, 0x00, struct uffdio_register)`
const IOC_REGISTER: c_ulong = 0xc020_aa00;
const FEATURE_MISSING_SHMEM: u64 = 1 << 5;
const FEATURE_MINOR_SHMEM: u64 = 1 << 10;
const MODE_MISSING: u64 = 1 << 0;
const MODE_MINOR: u64 = 1 << 2;
/// WAKE, COPY, ZEROPAGE and CONTINUE: what the page server answers with.
const NEEDED_IOCTLS: u64 = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 7;

/// The userfaultfd stays open in this process, which is what its guest's safety rests on.
pub(super) fn register(device: c_int, socket: c_int, mapping: Mapping, start: u64) {
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: the call takes an integer. Without UFFD_USER_MODE_ONLY the kernel's own accesses to
    // the memory, such as reads from a disk into it, fault here as well.
    let uffd = unsafe { libc::ioctl(device, IOC_NEW, flags) };
    if uffd < 0 {
        fail("get a userfaultfd from /dev/userfaultfd");
    }
    let mut api = Api {
        api: API,
        features: FEATURE_MISSING_SHMEM | FEATURE_MINOR_SHMEM,
        ioctls: 0,
    };
    // SAFETY: the kernel reads and writes `api` only.
    if unsafe { libc::ioctl(uffd, IOC_API, &raw mut api) } != 0 {
        fail("enable a userfaultfd for shared memory");
    }
    let mut register = Register {
        start,
        len: mapping.len as u64,
        mode: MODE_MISSING | MODE_MINOR,
        ioctls: 0,
    };
    // SAFETY: the kernel reads and writes `register`; the range is the mapping just made.
    if unsafe { libc::ioctl(uffd, IOC_REGISTER, &raw mut register) } != 0 {
        fail("register the template's memory with a userfaultfd");
    }
    if register.ioctls & NEEDED_IOCTLS != NEEDED_IOCTLS {
        fail("have pages put into the template's memory: the kernel is too old");
    }
    let Ok(text) = message::region(start, mapping.len as u64, mapping.offset as u64) else {
        fail("write the handshake");
    };
    send(socket, text.as_bytes(), uffd);
}

/// Sends bytes and a descriptor in one message.
fn send(socket: c_int, bytes: &[u8], fd: c_int) {
    // Aligned as control messages must be, with room for one of one descriptor.
    let mut control = [0_u64; 4];
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast::<c_void>().cast_mut(),
        iov_len: bytes.len(),
    };
    // SAFETY: any bytes make a `msghdr`, zeros too.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: computes a size from a number.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(mem::size_of::<c_int>() as u32) } as usize;
    // SAFETY: `message` describes `control`, which has room for one header with one descriptor, so
    // the header's and the data's pointers lie inside it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(mem::size_of::<c_int>() as u32) as usize;
        ptr::write_unaligned(libc::CMSG_DATA(header).cast::<c_int>(), fd);
    }
    loop {
        // SAFETY: everything that `message` points to lives until the call returns.
        let sent = unsafe { libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) };
        if usize::try_from(sent) == Ok(bytes.len()) {
            return;
        }
        let interrupted = std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted;
        if sent >= 0 || !interrupted {
            fail("hand the userfaultfd to the page server");
        }
    }
}
