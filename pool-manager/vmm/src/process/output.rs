//! What a VMM says: its standard error and its guest's console.

use std::{
    fs::File,
    io,
    os::unix::fs::OpenOptionsExt as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::{UnixStream, unix::pipe},
};

use super::RunFolder;
use crate::ring::Ring;

const STDERR_BYTES: usize = 16 * 1024;
const CONSOLE_BYTES: usize = 64 * 1024;

/// The name of the error pipe in a VMM's folder.
const STDERR: &str = "stderr";

/// A VMM's standard error: a pipe with a name, so that a later daemon finds it. The VMM has both of its ends
/// open and never waits for a reader: what does not fit is lost, and a daemon that dies breaks nothing.
#[derive(Debug)]
pub(crate) struct ErrorPipe {
    pub(crate) vmm_end: File,
    pub(crate) our_end: pipe::Receiver,
}

impl ErrorPipe {
    pub(crate) fn create(folder: &RunFolder) -> io::Result<Self> {
        let path = folder.path().join(STDERR);
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let vmm_end = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)?;
        Ok(Self {
            vmm_end,
            our_end: Self::reopen(folder)?,
        })
    }

    /// Our end of the pipe of a VMM that is there, with what it has said in the meantime.
    pub(crate) fn reopen(folder: &RunFolder) -> io::Result<pipe::Receiver> {
        pipe::OpenOptions::new().open_receiver(folder.path().join(STDERR))
    }
}

/// The last bytes of an output, shared with whoever asks for them.
pub(super) type SharedRing = Arc<Mutex<Ring>>;

pub(super) fn lock(ring: &SharedRing) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads both outputs of one VMM and keeps the end of each.
#[derive(Debug)]
pub(crate) struct Output {
    stderr: Option<pipe::Receiver>,
    stderr_ring: Ring,
    console: Option<UnixStream>,
    console_ring: SharedRing,
}

impl Output {
    pub(crate) fn new(stderr: pipe::Receiver, console: UnixStream) -> Self {
        Self {
            stderr: Some(stderr),
            stderr_ring: Ring::new(STDERR_BYTES),
            console: Some(console),
            console_ring: Arc::new(Mutex::new(Ring::new(CONSOLE_BYTES))),
        }
    }

    pub(super) fn console_ring(&self) -> SharedRing {
        Arc::clone(&self.console_ring)
    }

    /// What is kept of standard error and of the console.
    pub(super) fn texts(&self) -> (String, String) {
        (self.stderr_ring.text(), lock(&self.console_ring).text())
    }

    /// Reads whatever comes next from either; pends for ever once both have ended.
    pub(super) async fn read(&mut self) {
        let mut stderr_bytes = [0; 2048];
        let mut console_bytes = [0; 2048];
        tokio::select! {
            read = read_some(&mut self.stderr, &mut stderr_bytes) => match read {
                Some(read) => self.stderr_ring.push(&stderr_bytes[..read]),
                None => self.stderr = None,
            },
            read = read_some(&mut self.console, &mut console_bytes) => match read {
                Some(read) => lock(&self.console_ring).push(&console_bytes[..read]),
                None => self.console = None,
            },
        }
    }

    pub(super) async fn drain(&mut self) {
        while self.stderr.is_some() || self.console.is_some() {
            self.read().await;
        }
    }
}

/// `None` at the end, and for ever pending without a source.
async fn read_some<R: AsyncRead + Unpin>(
    source: &mut Option<R>,
    buffer: &mut [u8],
) -> Option<usize> {
    match source {
        None => std::future::pending().await,
        Some(source) => source.read(buffer).await.ok().filter(|read| *read > 0),
    }
}
