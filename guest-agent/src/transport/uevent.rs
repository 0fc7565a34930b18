//! What the kernel says when a device appears or changes.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::sys::watch;

/// The kernel's own multicast group (udev's is 2).
const KERNEL_GROUP: u32 = 1;

/// A listener; what happens after it was made is not missed.
#[derive(Debug)]
pub(crate) struct Uevents {
    socket: AsyncFd<OwnedFd>,
}

impl Uevents {
    /// Begins to listen.
    ///
    /// # Errors
    /// What socket(2) and bind(2) say.
    pub(crate) fn listen() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        Ok(Self {
            socket: watch(socket, Interest::READABLE)?,
        })
    }

    /// Waits until something has happened to some device.
    ///
    /// # Errors
    /// What recv(2) says.
    pub(crate) async fn next(&self) -> io::Result<()> {
        let mut message = [0; 4096];
        let received = self.socket.async_io(Interest::READABLE, |socket| {
            recv(socket.as_raw_fd(), &mut message, MsgFlags::empty()).map_err(io::Error::from)
        });
        match received.await {
            // More happened than the socket holds: look again all the same.
            Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => Err(error),
            _ => Ok(()),
        }
    }
}
