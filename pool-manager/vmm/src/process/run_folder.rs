//! The folder of one VMM.

use std::{
    fs::File,
    io,
    os::{
        fd::AsRawFd as _,
        unix::net::{UnixListener as StdListener, UnixStream as StdStream},
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixStream;

use crate::VmmId;

/// `run/vmm/ID/`: the sockets and the error pipe of one VMM. Removed when dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    stays: bool,
}

impl RunFolder {
    pub(crate) fn create(parent: &Path, id: &VmmId) -> io::Result<Self> {
        let path = parent.join(id.as_str());
        std::fs::create_dir(&path)?;
        Ok(Self { path, stays: false })
    }

    /// The folder of a VMM that is there; it stays until somebody owns it.
    pub(crate) fn find(parent: &Path, id: &VmmId) -> Self {
        Self {
            path: parent.join(id.as_str()),
            stays: true,
        }
    }

    /// From now on it is removed when it is dropped.
    pub(crate) fn own(&mut self) {
        self.stays = false;
    }

    /// Leaves the folder to a later daemon.
    pub(crate) fn leave(mut self) {
        self.stays = true;
    }

    /// Another handle, which removes nothing.
    pub(crate) fn again(&self) -> Self {
        Self {
            path: self.path.clone(),
            stays: true,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A listening socket.
    pub(crate) fn listen(&self, name: &str) -> io::Result<StdListener> {
        let (_open, address) = self.address(name)?;
        StdListener::bind(address)
    }

    /// A connection to a socket that somebody listens on, or will.
    pub(crate) fn connect(&self, name: &str) -> io::Result<UnixStream> {
        let (_open, address) = self.address(name)?;
        let stream = StdStream::connect(address)?;
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    }

    /// Through the folder's descriptor, because a socket's address has room for 107 bytes only
    /// (unix(7)) and a storage root may lie deep.
    fn address(&self, name: &str) -> io::Result<(File, String)> {
        let open = File::open(&self.path)?;
        let address = format!("/proc/self/fd/{}/{name}", open.as_raw_fd());
        Ok((open, address))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a VMM's run folder");
        }
    }
}
