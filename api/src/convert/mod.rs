//! Between the interface's types and the node's. Nobody else converts.

mod env;
mod info;
mod progress;
mod usage;
mod vm;
mod wish;

pub(crate) use env::shown_env;
pub(crate) use info::{image, pool, start_kind, template};
pub(crate) use progress::progress;
pub(crate) use usage::usage;
pub(crate) use vm::{
    Paging, forked, lifecycle_event, limit, metadata, snapshot, vm, vm_state_kind, wanted_metadata,
};
pub(crate) use wish::{selector, shape, to_language};
