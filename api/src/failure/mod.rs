//! Every failure below the interface gets its code, its status and a hint here, decided by type.

mod admin;
mod exec;
mod functions;
mod image;
mod lease;
mod run;
mod snapshot;
mod vm;

pub(crate) use admin::admin;
pub(crate) use exec::{exec, lost};
pub(crate) use functions::{deploy, function, invoke};
pub(crate) use lease::lease;
pub(crate) use run::run;
pub(crate) use snapshot::snapshot;
pub(crate) use vm::vm;
