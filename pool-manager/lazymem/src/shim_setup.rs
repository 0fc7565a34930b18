//! What a VMM is started with so that the shim maps its memory.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::{PageSource as _, PlainSource, TemplateMemory};

/// How many descriptors a set-up hands down at most.
pub const SHIM_DESCRIPTORS: i32 = 3;

/// The environment and the descriptors for a VMM whose memory is a template's.
///
/// Owns copies of the descriptors until the VMM is spawned. The VMM is told that its memory is the
/// file `/proc/self/fd/`[`memory_fd`](Self::memory_fd), shared; the shim makes it private.
#[derive(Debug)]
pub struct ShimSetup {
    environment: [(&'static str, OsString); 2],
    descriptors: Vec<(i32, OwnedFd)>,
}

/// A set-up that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("could not {attempt} for a VMM")]
pub struct ShimSetupError {
    attempt: &'static str,
    #[source]
    source: io::Error,
}

fn failed<E: Into<io::Error>>(attempt: &'static str) -> impl FnOnce(E) -> ShimSetupError {
    move |source| ShimSetupError {
        attempt,
        source: source.into(),
    }
}

impl ShimSetup {
    /// For a template that is whole: a private mapping and nothing else.
    ///
    /// `library` is the shim, which the VMM must be able to read under that path. Its descriptors
    /// get the numbers from `first_fd` on, at most [`SHIM_DESCRIPTORS`] of them.
    ///
    /// # Errors
    /// When the template is not whole, or its descriptor can't be copied.
    pub fn whole(
        library: &Path,
        template: &TemplateMemory,
        first_fd: i32,
    ) -> Result<Self, ShimSetupError> {
        if !template.is_whole() {
            let why = io::Error::other("the template is not whole and needs the page server");
            return Err(failed("share memory")(why));
        }
        let memory = copy_of(template)?;
        let plan = format!("1 whole memory={first_fd}");
        Ok(Self::new(library, plan, first_fd, vec![memory]))
    }

    /// For a template that is filled on demand. What comes out of the stream is the VMM's
    /// [`Arrival`](crate::Arrival), as soon as it maps its memory.
    ///
    /// # Errors
    /// When /dev/userfaultfd can't be opened, or the kernel gives no socket.
    pub fn lazy(
        library: &Path,
        template: &TemplateMemory,
        first_fd: i32,
    ) -> Result<(Self, UnixStream), ShimSetupError> {
        let memory = copy_of(template)?;
        let device = File::options()
            .read(true)
            .write(true)
            .open(crate::probe::DEVICE)
            .map_err(failed("open /dev/userfaultfd"))?;
        let (here, there) = UnixStream::pair().map_err(failed("make a socket"))?;
        let plan = format!(
            "1 lazy memory={first_fd} device={} socket={}",
            first_fd + 1,
            first_fd + 2
        );
        let descriptors = vec![memory, device.into(), there.into()];
        Ok((Self::new(library, plan, first_fd, descriptors), here))
    }

    /// Without userfaultfd: the template's file itself, mapped privately. Whoever does this has the
    /// file [verified](PlainSource::verify) first: nothing checks a page that the kernel reads.
    ///
    /// # Errors
    /// When the kernel gives no memfd to stand for the file.
    pub fn file(
        library: &Path,
        source: &PlainSource,
        first_fd: i32,
    ) -> Result<Self, ShimSetupError> {
        // The VMM looks at the length of its memory's file, and knows nothing of headers.
        let stand_in =
            memfd_create("thaw-stand-in", MFdFlags::MFD_CLOEXEC).map_err(failed("make a memfd"))?;
        File::from(stand_in.try_clone().map_err(failed("copy a memfd"))?)
            .set_len(source.len_bytes())
            .map_err(failed("set the length of a memfd"))?;
        let file = read_only(source.file()).map_err(failed("open the template's memory"))?;
        let plan = format!(
            "1 file memory={first_fd} file={} offset={}",
            first_fd + 1,
            source.data_offset()
        );
        Ok(Self::new(library, plan, first_fd, vec![stand_in, file]))
    }

    /// Variables to set for the VMM; the shim takes them out of its environment.
    pub fn environment(&self) -> &[(&'static str, OsString)] {
        &self.environment
    }

    /// The number under which the VMM finds its memory.
    pub fn memory_fd(&self) -> i32 {
        self.descriptors.first().map_or(-1, |(number, _)| *number)
    }

    /// The descriptors to hand down and the number of each in the VMM.
    pub fn into_descriptors(self) -> Vec<(i32, OwnedFd)> {
        self.descriptors
    }

    fn new(library: &Path, plan: String, first_fd: i32, descriptors: Vec<OwnedFd>) -> Self {
        Self {
            environment: [
                ("LD_PRELOAD", library.as_os_str().to_owned()),
                ("THAW_SHIM", plan.into()),
            ],
            descriptors: (first_fd..).zip(descriptors).collect(),
        }
    }
}

fn copy_of(template: &TemplateMemory) -> Result<OwnedFd, ShimSetupError> {
    template
        .fd()
        .try_clone_to_owned()
        .map_err(failed("copy the template's descriptor"))
}

/// The same file by a descriptor that can't write it, whatever the one here can.
fn read_only(file: &File) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    Ok(File::open(path)?.into())
}
