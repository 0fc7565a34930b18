//! `/v1/vms/{id}/files`: a VM's files.
//!
//! Paths are the guest's: absolute, any bytes but NUL. Nothing here, nor below, uses one as a path of the host.

mod archive;
mod content;
mod convert;
mod entries;
mod query;
mod range;

pub(crate) use archive::{__path_pack, __path_unpack, pack, unpack};
pub(crate) use content::{__path_read, __path_write, read, write};
pub(crate) use entries::{
    __path_list, __path_make_directory, __path_move_file, __path_remove, list, make_directory,
    move_file, remove,
};
