//! `/v1/images`.

mod route;
mod spool;
mod upload;

pub(crate) use route::{
    __path_add, __path_find, __path_list, __path_remove, add, find, list, remove,
};
pub(crate) use spool::Spool;
