//! What a VMM says: its standard error and its guest's console.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt as _};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::{UnixStream, unix::pipe},
};

use super::RunFolder;
use crate::{Console, ring::Ring};

const STDERR_BYTES: usize = 16 * 1024;

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

/// Reads both outputs of one VMM and keeps the end of each.
#[derive(Debug)]
pub(crate) struct Output {
    stderr: Option<pipe::Receiver>,
    stderr_ring: Ring,
    /// Where the guest's console comes from.
    from_console: Option<UnixStream>,
    console: Console,
}

impl Output {
    pub(crate) fn new(stderr: pipe::Receiver, console: UnixStream) -> Self {
        Self {
            stderr: Some(stderr),
            stderr_ring: Ring::new(STDERR_BYTES),
            from_console: Some(console),
            console: Console::default(),
        }
    }

    pub(super) fn console(&self) -> Console {
        self.console.clone()
    }

    /// What is kept of standard error and of the console.
    pub(super) fn texts(&self) -> (String, String) {
        (self.stderr_ring.text(), self.console.text())
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
            read = read_some(&mut self.from_console, &mut console_bytes) => match read {
                Some(read) => self.console.push(&console_bytes[..read]),
                None => self.from_console = None,
            },
        }
    }

    pub(super) async fn drain(&mut self) {
        while self.stderr.is_some() || self.from_console.is_some() {
            self.read().await;
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.console.end();
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
