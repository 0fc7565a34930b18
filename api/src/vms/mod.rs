//! `/v1/vms`: VMs that live until they are deleted.

mod change;
mod create;
mod exec;
mod find;
mod fork;
mod snapshot;
mod state;

pub(crate) use change::{__path_change, change};
pub(crate) use create::{__path_create, create};
pub(crate) use exec::{__path_exec, exec};
pub(crate) use find::{__path_find, __path_list, find, list};
pub(crate) use fork::{__path_fork, fork};
pub(crate) use snapshot::{__path_snapshot, snapshot};
pub(crate) use state::{
    __path_pause, __path_remove, __path_resume, __path_start, __path_stop, pause, remove, resume,
    start, stop,
};
