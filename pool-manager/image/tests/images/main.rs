//! Images from every source, made with the real programs, a real registry and a real Docker daemon, and read back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod archives;
mod config;
mod debian;
mod docker;
mod layers;
mod registry;
mod rootfs;
mod store;
