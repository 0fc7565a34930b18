//! The programs that Thaw runs to make an image: nothing else in this crate starts a process.

mod error;
mod group;
mod mmdebstrap;
mod root_time;
mod sqfstar;
mod tail;
mod tools;

pub use error::BuilderError;
pub(crate) use mmdebstrap::{AptSources, mmdebstrap};
pub(crate) use sqfstar::write_squashfs;
pub(crate) use tail::Tail;
pub use tools::{MissingTool, check_tools};
