//! A virtio-serial port as a byte stream.

use std::{
    fs::OpenOptions,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::Path,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    unistd::{read, write},
};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd};

use crate::sys::watch;

/// The kernel takes at most this much in one write (drivers/char/virtio_console.c).
const MAX_WRITE_BYTES: usize = 32 * 1024;

/// An open port.
///
/// The runtime must not watch the port itself: while the host is away the port is always readable and
/// hung up, and readiness that never ends makes the runtime spin. So an epoll instance watches the
/// port for *changes* and the runtime watches that instance.
#[derive(Debug)]
pub(super) struct Port {
    changes: AsyncFd<OwnedFd>,
    epoll: Epoll,
    port: OwnedFd,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Port {
    /// Opens the port; it can be open only once.
    ///
    /// # Errors
    /// What open(2) and epoll say.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let port = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let changes = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        epoll.add(&port, EpollEvent::new(changes, 0))?;
        Ok(Self {
            changes: watch(epoll.0.try_clone()?, Interest::READABLE)?,
            epoll,
            port: port.into(),
            reader: None,
            writer: None,
        })
    }

    /// Waits until the host has its side open.
    ///
    /// # Errors
    /// What poll(2) says.
    pub(super) async fn host_is_there(&self) -> io::Result<()> {
        loop {
            let mut fds = [PollFd::new(self.port.as_fd(), PollFlags::POLLOUT)];
            poll(&mut fds, PollTimeout::ZERO)?;
            let state = fds[0].revents().unwrap_or(PollFlags::empty());
            if !state.contains(PollFlags::POLLHUP) {
                return Ok(());
            }
            let mut ready = self.changes.readable().await?;
            take_changes(&self.epoll)?;
            ready.clear_ready();
        }
    }

    /// Waits for the next change; both directions must be tried again after it.
    fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ready = ready!(self.changes.poll_read_ready(cx))?;
        take_changes(&self.epoll)?;
        // A change that comes from here on makes the instance readable again, and the caller tries
        // the port after this, so none is missed.
        ready.clear_ready();
        drop(ready);
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

fn take_changes(epoll: &Epoll) -> io::Result<()> {
    let mut events = [EpollEvent::empty()];
    epoll.wait(&mut events, EpollTimeout::ZERO)?;
    Ok(())
}

impl AsyncRead for Port {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match read(&self.port, buf.initialize_unfilled()) {
                // None at all: the host has closed its side.
                Ok(bytes) => {
                    buf.advance(bytes);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::EAGAIN) => {
                    self.reader = Some(cx.waker().clone());
                    ready!(self.poll_change(cx))?;
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }
}

impl AsyncWrite for Port {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(MAX_WRITE_BYTES)];
        loop {
            match write(&self.port, bytes) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(Errno::EAGAIN) => {
                    self.writer = Some(cx.waker().clone());
                    ready!(self.poll_change(cx))?;
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A port has no half-close; dropping it closes it.
        Poll::Ready(Ok(()))
    }
}
