//! `/v1/vms/{id}/…`: what happens inside a VM besides running a program.

mod data;
pub(crate) mod execs;
pub(crate) mod files;
mod logs;
pub(crate) mod port;
mod usage;

pub(crate) use logs::{__path_logs, logs};
pub(crate) use usage::{__path_usage, usage};
