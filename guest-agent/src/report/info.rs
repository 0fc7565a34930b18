//! Who is there.

use nix::sys::utsname::uname;
use thaw_guest_protocol::{AgentInfo, PROTOCOL_VERSION};

use crate::agent::Agent;

pub(crate) fn info(agent: &Agent) -> AgentInfo {
    // uname(2) fails only for a bad address.
    let kernel = uname().map_or_else(
        |_| String::new(),
        |names| names.release().to_string_lossy().into_owned(),
    );
    AgentInfo {
        protocol: PROTOCOL_VERSION,
        version: env!("CARGO_PKG_VERSION").into(),
        kernel,
        interpreters: agent.interpreters().list(),
    }
}
