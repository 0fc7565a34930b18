//! Images from every source, made with the real programs, a real registry and a real Docker daemon, and read back.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

mod archives;
mod debian;
mod docker;
mod registry;
mod rootfs;
mod store;
