//! The real thing: `thaw serve` with real VMs, used through its commands, over HTTP and by clients of other systems.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the programs that it tests"
)]

mod auth;
mod aws;
mod bandsox;
mod callers;
mod clones;
mod completions;
mod dashboard;
mod doctor;
mod end_to_end;
mod faults;
mod full_disk;
mod function_commands;
mod functions;
mod image_config;
mod init;
mod inside;
mod lambda;
mod queued;
mod randomness;
mod sdk;
mod snapshots;
mod support;
mod templates;
mod vms;
