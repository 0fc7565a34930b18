//! The agent's end of a program's standard input.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use bytes::{Buf as _, Bytes};
use nix::{errno::Errno, unistd::write};
use thaw_guest_protocol::PtySize;
use tokio::io::{Interest, unix::AsyncFd};

use super::{streams::errno, sys};
use crate::sys::watch;

/// Ctrl-D: what ends the input of a program on a terminal.
const END_OF_TRANSMISSION: &[u8] = &[4];

/// Where standard input goes. It holds one frame at most; while that is not written the stream from
/// the host is not read on, so a program that does not read holds up its sender and nobody else.
#[derive(Debug)]
pub(crate) struct Inlet {
    /// `None` when there was none, it has ended, or the program has closed it; input is thrown away then.
    fd: Option<AsyncFd<OwnedFd>>,
    waiting: Bytes,
    /// The end comes after what waits.
    ending: bool,
    terminal: bool,
}

impl Inlet {
    /// No standard input.
    pub(crate) fn closed() -> Self {
        Self {
            fd: None,
            waiting: Bytes::new(),
            ending: false,
            terminal: false,
        }
    }

    /// The writing end of a pipe, not blocking.
    pub(crate) fn pipe(fd: OwnedFd) -> Result<Self, Errno> {
        let fd = watch(fd, Interest::WRITABLE).map_err(errno)?;
        Ok(Self {
            fd: Some(fd),
            ..Self::closed()
        })
    }

    /// The controlling side of a terminal, not blocking.
    pub(crate) fn terminal(fd: OwnedFd) -> Result<Self, Errno> {
        Ok(Self {
            terminal: true,
            ..Self::pipe(fd)?
        })
    }

    /// Takes one frame; only when [`is_waiting`](Self::is_waiting) says no.
    pub(crate) fn accept(&mut self, bytes: Bytes) {
        if self.fd.is_some() && !self.ending {
            self.waiting = bytes;
        }
    }

    /// Ends the program's input after what waits.
    pub(crate) fn end(&mut self) {
        if self.fd.is_some() && !self.ending {
            self.ending = true;
            if self.terminal {
                self.waiting = Bytes::from_static(END_OF_TRANSMISSION);
            }
        }
        self.settle();
    }

    /// Whether a frame is not written yet.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes what waits.
    ///
    /// # Cancel safety
    /// Nothing is lost or written twice.
    pub(crate) async fn push(&mut self) {
        while let (Some(fd), false) = (&self.fd, self.waiting.is_empty()) {
            let written = fd
                .async_io(Interest::WRITABLE, |fd| {
                    write(fd, &self.waiting).map_err(io::Error::from)
                })
                .await;
            match written {
                Ok(bytes) => self.waiting.advance(bytes),
                // EPIPE above all: the program wants no more.
                Err(_) => {
                    self.fd = None;
                    self.waiting = Bytes::new();
                }
            }
        }
        self.settle();
    }

    /// Changes the size of the terminal, if it is one.
    pub(crate) fn resize(&self, size: PtySize) {
        if let (true, Some(fd)) = (self.terminal, &self.fd) {
            // The program may have ended in this moment; then nobody cares.
            let _ = sys::set_size(fd.get_ref().as_fd(), size);
        }
    }

    fn settle(&mut self) {
        if self.ending && self.waiting.is_empty() && !self.terminal {
            self.fd = None;
        }
    }
}
