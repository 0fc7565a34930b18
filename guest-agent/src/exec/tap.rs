//! The agent's end of one of a program's output streams.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use nix::{errno::Errno, unistd::read};
use thaw_guest_protocol::{DATA_CHUNK_BYTES, FrameKind};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::JoinSet,
};

use super::streams::errno;
use crate::sys::watch;
use crate::wire::{WireError, WireWriter};

/// What a program can have left in a pipe when it ends (`fs.pipe-max-size`; a default pipe holds 64 KiB).
const MAX_LEFT_BYTES: usize = 1024 * 1024;

/// How many streams of background processes are kept open after their exec; beyond that they are
/// closed, and the processes get SIGPIPE when they write.
const MAX_LEFTOVERS: usize = 64;

/// One output stream.
#[derive(Debug)]
pub(crate) struct Tap {
    fd: AsyncFd<OwnedFd>,
    /// Nothing more comes. The descriptor is closed with the tap: whoever waits for the program's end need not wait
    /// for that too.
    ended: bool,
    kind: FrameKind,
    /// How many bytes may still be sent; the rest is read and thrown away.
    allowed: u64,
    truncated: bool,
}

impl Tap {
    /// Takes the reading end, not blocking.
    pub(crate) fn new(fd: OwnedFd, kind: FrameKind, limit: u64) -> Result<Self, Errno> {
        let fd = watch(fd, Interest::READABLE).map_err(errno)?;
        Ok(Self {
            fd,
            ended: false,
            kind,
            allowed: limit,
            truncated: false,
        })
    }

    /// Sets how many bytes may be sent from now on; nothing counts as thrown away yet.
    pub(crate) fn allow(&mut self, bytes: u64) {
        self.allowed = bytes;
        self.truncated = false;
    }

    /// Whether something was thrown away.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Ends when there is something to read; never after the end of the stream.
    pub(crate) async fn readable(&self) {
        if self.ended {
            std::future::pending().await
        }
        // An error shows again in the read that follows.
        drop(self.fd.readable().await);
    }

    /// Adds what can be read now to what the host is sent.
    pub(crate) fn forward(
        &mut self,
        scratch: &mut [u8],
        out: &mut WireWriter,
    ) -> Result<(), WireError> {
        if self.ended {
            return Ok(());
        }
        let got = self.try_read(scratch);
        self.take(got, scratch, out)
    }

    /// Reads what can be read now, whatever may be sent; returns how much that is.
    pub(crate) fn read_now(&mut self, scratch: &mut [u8]) -> usize {
        if self.ended {
            return 0;
        }
        match self.try_read(scratch) {
            Ok(0) => self.ended = true,
            Ok(bytes) => return bytes,
            Err(error) if is_passing(&error) => {}
            Err(_) => self.ended = true,
        }
        0
    }

    fn try_read(&self, scratch: &mut [u8]) -> io::Result<usize> {
        self.fd.try_io(Interest::READABLE, |fd| {
            read(fd, scratch).map_err(io::Error::from)
        })
    }

    /// Reads what lies in the stream after its program has ended, as [`forward_rest`](Self::forward_rest) does.
    pub(crate) fn read_rest(&mut self, scratch: &mut [u8], mut take: impl FnMut(&[u8])) {
        let mut left = MAX_LEFT_BYTES;
        while !self.ended && left > 0 {
            match read(self.fd.get_ref(), scratch) {
                Ok(bytes) if bytes > 0 => {
                    left = left.saturating_sub(bytes);
                    take(&scratch[..bytes]);
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => self.ended = true,
            }
        }
    }

    /// Adds what lies in the stream, after its program has ended.
    ///
    /// Everything that the program wrote is there already, and it is no more than a pipe can hold; a
    /// background process that goes on writing is cut off at that size.
    pub(crate) fn forward_rest(
        &mut self,
        scratch: &mut [u8],
        out: &mut WireWriter,
    ) -> Result<(), WireError> {
        let mut left = MAX_LEFT_BYTES;
        while !self.ended && left > 0 {
            let got = match read(self.fd.get_ref(), scratch) {
                Err(Errno::EAGAIN) => break,
                got => got,
            };
            left = left.saturating_sub(got.unwrap_or(0));
            self.take(got.map_err(io::Error::from), scratch, out)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        got: io::Result<usize>,
        scratch: &[u8],
        out: &mut WireWriter,
    ) -> Result<(), WireError> {
        match got {
            Ok(0) => self.ended = true,
            Ok(bytes) => {
                let fits = usize::try_from(self.allowed).map_or(bytes, |a| a.min(bytes));
                self.truncated |= fits < bytes;
                self.allowed -= fits as u64;
                if fits > 0 {
                    out.data(self.kind, &scratch[..fits])?;
                }
            }
            Err(error) if is_passing(&error) => {}
            // EIO: nobody has the terminal open any more. It is how a terminal ends.
            Err(_) => self.ended = true,
        }
        Ok(())
    }
}

/// Room for one read of a program's output.
pub(crate) fn scratch() -> Box<[u8]> {
    vec![0; DATA_CHUNK_BYTES].into_boxed_slice()
}

/// Output streams that a background process holds after its exec has ended. They are read and thrown
/// away, so that the process neither blocks nor dies of SIGPIPE.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leftovers {
    readers: Arc<Mutex<JoinSet<()>>>,
}

impl Leftovers {
    /// Takes over a stream if it has not ended; one that has comes back.
    pub(crate) fn keep(&self, tap: Tap) -> Option<Tap> {
        if tap.ended {
            return Some(tap);
        }
        // Each call on the set is whole, so a panic elsewhere can't have left it half-done.
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        while readers.try_join_next().is_some() {}
        if readers.len() < MAX_LEFTOVERS {
            readers.spawn(throw_away(tap.fd));
        }
        None
    }
}

async fn throw_away(fd: AsyncFd<OwnedFd>) {
    let mut scratch = vec![0; 4096];
    loop {
        let got = fd.async_io(Interest::READABLE, |fd| {
            read(fd, &mut scratch).map_err(io::Error::from)
        });
        match got.await {
            Ok(0) => return,
            Err(error) if !is_passing(&error) => return,
            _ => {}
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}
