//! A daemon as a user starts it, on a storage root of its own.

mod archive;
mod daemon;
mod dockerd;
pub(crate) mod function;
mod prepared;
mod user;
mod web;

use std::time::{Duration, Instant};

pub(crate) use archive::docker_archive;
pub(crate) use daemon::{Daemon, THAW};
pub(crate) use dockerd::Dockerd;
pub(crate) use user::{PASSWORD, User, fails, ok};
pub(crate) use web::WebServer;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again: each look is a request, which takes its time.
pub(crate) fn wait_until(is: impl FnMut() -> bool, what: &str) {
    wait_within(PATIENCE, is, what);
}

/// The same, where it may not take as long as on a busy machine.
pub(crate) fn wait_within(within: Duration, mut is: impl FnMut() -> bool, what: &str) {
    let deadline = Instant::now() + within;
    while !is() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
    }
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
