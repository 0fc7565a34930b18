//! A daemon as a user starts it, on a storage root of its own.

mod daemon;
mod dockerd;
mod prepared;

pub(crate) use daemon::{Daemon, THAW};
pub(crate) use dockerd::Dockerd;

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
