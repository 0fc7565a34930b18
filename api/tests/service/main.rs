//! The real service over HTTP, on a node without virtual machines.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod secrets;
mod support;
