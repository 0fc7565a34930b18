//! `/v1/vms/{id}/execs`: programs in the background of a VM.
//!
//! ```text
//! POST ─► started ─► runs on, whoever leaves ─► ended, kept until it is removed or 64 newer ones are there
//!            └── list, look, output (at once, or as events to its end), signal, DELETE (kills it)
//! ```

mod convert;
mod output;
mod route;

pub(crate) use output::{__path_output, output};
pub(crate) use route::{
    __path_find, __path_list, __path_remove, __path_signal, __path_start, find, list, remove,
    signal, start,
};
