//! What the binary carries inside itself.

use anyhow::{Result, ensure};
use thaw_api::Dashboard;

const SHIM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/thaw-shim.so"));
const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/thaw-agent"));
/// The pages of the dashboard, as `web` built them; none where that was not done.
pub(crate) const DASHBOARD: Dashboard =
    Dashboard::new(include!(concat!(env!("OUT_DIR"), "/dashboard.rs")));

/// The program that becomes PID 1 of every guest.
///
/// # Errors
/// When this binary was built without it.
pub(crate) fn agent() -> Result<&'static [u8]> {
    ensure!(
        !AGENT.is_empty(),
        "this thaw was built without its guest agent; build it with `make build`"
    );
    Ok(AGENT)
}

/// The library that is preloaded into every VMM and maps its guest's memory.
///
/// # Errors
/// When this binary was built without it.
pub(crate) fn shim() -> Result<&'static [u8]> {
    ensure!(
        !SHIM.is_empty(),
        "this thaw was built without the library for guest memory; build it with `make build`"
    );
    Ok(SHIM)
}
