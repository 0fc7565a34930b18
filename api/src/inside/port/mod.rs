//! HTTP to a port inside a VM, which needs no network: each request is a connection that the guest's agent makes.
//!
//! ```text
//! request ─► headers::inward ─► VmPort ─► the guest's server
//!    answer ◄── headers::outward ◄──┘         its body is streamed; whoever hangs up closes the connection
//!    101 ◄── upgrade: bytes both ways until one side ends
//!    nothing listens ─► port_refused      no HTTP comes back ─► port_no_answer
//! ```
//! Other protocols go over a WebSocket that carries the bytes of one connection: see [`mod@tunnel`].
//!
//! A guest's pages share this server's origin with everything else on it. So they get none of its credentials, set no
//! cookies, and browsers are told to keep them in a sandbox.

mod connect;
mod headers;
mod proxy;
mod tunnel;
mod upgrade;

pub(crate) use connect::{connect, no_answer};
pub(crate) use headers::is_loopback;
pub(crate) use proxy::{__path_proxy, proxy};
pub(crate) use tunnel::{__path_tunnel, tunnel};
