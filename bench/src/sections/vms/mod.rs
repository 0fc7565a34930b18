//! VMs that stay: until the first output, many at once, execs, files, terminals, and mixed calls.

mod calls;
mod create;
mod files;
mod inside;
mod machine;
mod run;

pub(crate) use run::run;
