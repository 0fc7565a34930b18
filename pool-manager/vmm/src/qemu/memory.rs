//! How a shell's memory gets into QEMU: through a library that is preloaded into it.
//!
//! ```text
//! ShellMemory ─prepare─► PreparedMemory ─► environment and descriptors of the child
//!                           └─ Handover ─(QEMU maps its memory)─► Arrival ─► whoever serves pages
//! ```
//!
//! The library is handed down as a descriptor and named by it, because a VMM's user can't reach into the
//! storage root. It acts at the one `mmap` of the memory, which comes after QEMU has entered its
//! sandbox; all that it calls is allowed there.

use std::{
    fs::{File, Permissions},
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{
            fs::{OpenOptionsExt as _, PermissionsExt as _},
            net::UnixStream as StdStream,
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use thaw_lazymem::{Arrival, HandshakeError, ShimSetup};
use tokio::{net::UnixStream, sync::oneshot};

use super::{argv::fd, launch::prepare};
use crate::{ShellMemory, StartError};

/// From QEMU's start to the mapping of its memory; it takes some 10 ms on an idle host.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(20);

/// The library, readable by every VMM.
#[derive(Debug)]
pub(super) struct Shim {
    file: File,
}

/// What a shell is started with for its memory's sake.
#[derive(Debug)]
pub(super) struct PreparedMemory {
    pub(super) setup: ShimSetup,
    pub(super) shim: OwnedFd,
    pub(super) handover: Option<Handover>,
}

/// The userfaultfd that QEMU will send, and who waits for it.
#[derive(Debug)]
pub(super) struct Handover {
    socket: StdStream,
    arrival: oneshot::Sender<Arrival>,
}

impl Shim {
    /// Makes sure that the library is in `folder`, 0555. The same one, as an earlier daemon left it, stays: a full disk
    /// keeps no daemon from starting. Another is replaced; VMMs that have mapped it keep it.
    pub(super) fn write(folder: &Path, bytes: &[u8]) -> io::Result<Self> {
        let path = folder.join("shim.so");
        if let Some(file) = same(&path, bytes) {
            return Ok(Self { file });
        }
        let fresh = folder.join(format!(".shim-{}.so", std::process::id()));
        remove(&fresh)?;
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o500)
            .open(&fresh)?;
        file.write_all(bytes)?;
        // Whatever the umask took away.
        file.set_permissions(Permissions::from_mode(0o555))?;
        std::fs::rename(&fresh, &path)?;
        Ok(Self {
            file: File::open(path)?,
        })
    }

    pub(super) fn prepare(&self, memory: ShellMemory) -> Result<PreparedMemory, StartError> {
        let library = PathBuf::from(format!("/proc/self/fd/{}", fd::SHIM));
        let (setup, handover) = match memory {
            ShellMemory::Whole(template) => {
                (ShimSetup::whole(&library, &template, fd::MEMORY)?, None)
            }
            ShellMemory::File(source) => (ShimSetup::file(&library, &source, fd::MEMORY)?, None),
            ShellMemory::Lazy { template, arrival } => {
                let (setup, socket) = ShimSetup::lazy(&library, &template, fd::MEMORY)?;
                (setup, Some(Handover { socket, arrival }))
            }
        };
        Ok(PreparedMemory {
            setup,
            shim: self
                .file
                .as_fd()
                .try_clone_to_owned()
                .map_err(prepare("descriptors"))?,
            handover,
        })
    }
}

/// The file, if it holds just this and everybody may read it.
fn same(path: &Path, bytes: &[u8]) -> Option<File> {
    let file = File::open(path).ok()?;
    let mode = file.metadata().ok()?.permissions().mode();
    let is_same = mode & 0o777 == 0o555 && std::fs::read(path).is_ok_and(|held| held == bytes);
    is_same.then_some(file)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Handover {
    /// Waits for QEMU's message and passes it on.
    pub(super) async fn complete(self) -> Result<(), StartError> {
        let failed = |source| {
            StartError::Handover(HandshakeError::Io {
                attempt: "wait for the message",
                source,
            })
        };
        self.socket.set_nonblocking(true).map_err(failed)?;
        let socket = UnixStream::from_std(self.socket).map_err(failed)?;
        tokio::time::timeout(HANDOVER_TIMEOUT, socket.readable())
            .await
            .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        let socket = socket.into_std().map_err(failed)?;
        // It is there: one short message, sent at once.
        let receive = move || Arrival::receive(&socket, Duration::from_secs(1));
        let arrival = tokio::task::spawn_blocking(receive)
            .await
            .map_err(|error| failed(io::Error::other(error)))?
            .map_err(StartError::Handover)?;
        self.arrival
            .send(arrival)
            .map_err(|_| prepare("page server")(io::Error::other("nobody serves its pages")))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_same_library_stays_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shim.so");
        let inode = || std::fs::metadata(&path).unwrap().ino();
        Shim::write(folder.path(), b"library").unwrap();
        let first = inode();
        Shim::write(folder.path(), b"library").unwrap();
        assert_eq!(inode(), first);
        std::fs::set_permissions(&path, Permissions::from_mode(0o500)).unwrap();
        Shim::write(folder.path(), b"library").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o555);
    }

    #[test]
    fn the_library_is_written_anew_and_readable_by_all() {
        let folder = tempfile::tempdir().unwrap();
        Shim::write(folder.path(), b"old").unwrap();
        let shim = Shim::write(folder.path(), b"new").unwrap();
        let path = folder.path().join("shim.so");
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        let mode = shim.file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o555);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
