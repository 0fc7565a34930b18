//! Files of /etc that exist from the start, so that waking only overwrites them in place.

use std::{fs, io};

use super::{BootError, mounts::folder, root::Disk};
use crate::agent::Agent;

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What a template is called; a clone gets its name when it wakes.
const TEMPLATE_HOSTNAME: &str = "thaw";

/// The word of machine-id(5) for a machine that has none yet.
const TEMPLATE_MACHINE_ID: &str = "uninitialized";

/// Makes them in the writable layer. On a disk that was used before they are there, and stay as they are.
///
/// # Errors
/// [`BootError::System`].
pub(super) fn lay_out(agent: &Agent, disk: Disk) -> Result<(), BootError> {
    folder("/etc").map_err(BootError::system("make /etc"))?;
    match disk {
        Disk::Fresh => agent
            .identity()
            .lay_out(TEMPLATE_HOSTNAME, TEMPLATE_MACHINE_ID)
            .map_err(BootError::system("write host name and machine id"))?,
        Disk::Used => agent.identity().leave_hosts(),
    }
    resolv_conf().map_err(BootError::system("write /etc/resolv.conf"))?;
    nix::unistd::sethostname(TEMPLATE_HOSTNAME).map_err(BootError::system("set the host name"))
}

/// An image may have none, or a link to a file of a resolver that does not run here.
fn resolv_conf() -> io::Result<()> {
    match fs::symlink_metadata(RESOLV_CONF) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => fs::remove_file(RESOLV_CONF)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::write(RESOLV_CONF, "")
}
