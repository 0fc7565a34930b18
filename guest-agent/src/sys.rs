//! Descriptors that the runtime watches.
#![expect(
    unsafe_code,
    reason = "the runtime wants a promise about descriptors that it can't check"
)]

use std::{io, os::fd::OwnedFd};

use tokio::io::{Interest, unix::AsyncFd};

/// Lets the runtime watch a descriptor that it owns from here on.
///
/// # Errors
/// What epoll_ctl(2) says.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open, stays open until it is dropped, and never changes its number.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}
