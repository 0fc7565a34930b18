//! Between the interface's types and the node's. Nobody else converts.

mod info;
mod progress;
mod wish;

pub(crate) use info::{image, pool, start_kind, template, vm};
pub(crate) use progress::progress;
pub(crate) use wish::{selector, shape, to_language};
