//! `/v1/vms/{id}/…`: what happens inside a VM besides running a program.

mod data;
pub(crate) mod files;
