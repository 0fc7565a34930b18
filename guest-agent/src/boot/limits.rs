//! Limits of the agent itself and of what it starts.

use nix::sys::{
    resource::{Resource, setrlimit},
    stat::{Mode, umask},
};

use super::{BootError, sys};

/// 256 operations of a handful of descriptors each, with room to spare.
const OPEN_FILES: u64 = 16 * 1024;

/// What programs may raise theirs to; the same as in [`crate::process`].
const MOST_OPEN_FILES: u64 = 524_288;

/// Sets them. PID 1 needs no protection from the OOM killer: the kernel never chooses it.
///
/// # Errors
/// What the kernel says.
pub(super) fn set() -> Result<(), BootError> {
    umask(Mode::from_bits_truncate(0o022));
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, MOST_OPEN_FILES)
        .map_err(BootError::system("set the limit of open files"))?;
    // What ends or computes must not keep the host waiting for what the agent has to say.
    sys::go_first().map_err(BootError::system("go before other processes"))
}
