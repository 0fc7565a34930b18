//! Layers become one root filesystem: in memory, as an index of paths to inodes and to the bytes of spooled layer tars.
//!
//! No path of an image is ever created on the host, so no entry can leave a root that does not exist. Ownership, setuid and
//! attributes survive without privileges, and a hard link stays one inode.

mod apply;
mod compose;
mod error;
mod limits;
mod resolve;
mod spool;
mod tree;

pub(crate) use apply::{Applied, apply_layer};
pub(crate) use compose::compose;
pub use error::LayerError;
pub use limits::Limits;
pub(crate) use resolve::components;
pub(crate) use spool::Spool;
pub(crate) use tree::Tree;
