//! The device of the kernel's random generator.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd},
    sync::OnceLock,
};

/// `/dev/random`, open from its first use on: to find and open it costs a clone as much as to seed it.
#[derive(Debug, Default)]
pub(crate) struct Random(OnceLock<File>);

impl Random {
    /// The open device.
    ///
    /// # Errors
    /// What open(2) says.
    pub(crate) fn open(&self) -> io::Result<BorrowedFd<'_>> {
        let device = match self.0.get() {
            Some(device) => device,
            None => {
                let device = File::open("/dev/random")?;
                self.0.get_or_init(|| device)
            }
        };
        Ok(device.as_fd())
    }
}
