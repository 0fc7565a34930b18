#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Processes with the shim, served by the page server: no guest ever reads a wrong page.

#[path = "../../../tests/common/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod common;
mod faults;
mod guest;
mod modes;
mod pages;
mod service;
