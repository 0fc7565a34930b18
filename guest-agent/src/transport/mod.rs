//! How the host's bytes reach the agent: a virtio-serial port, or vsock.
//!
//! ```text
//! port:   open ──host connects──► session ──host closes──► close ──► open …
//!                                    └──a new host is seen──► the next session
//! vsock:  listen ──accept──► session ──closed, or the next one is accepted──► …
//! ```

mod port;
mod serial;
mod sessions;
mod uevent;
mod vsock;

pub(crate) use serial::serial;
pub(crate) use uevent::Uevents;
pub(crate) use vsock::vsock;
