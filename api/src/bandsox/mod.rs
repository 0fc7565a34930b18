//! BandSox's HTTP contract (version 3.5 and the earlier 3.x) over the same calls as `/v1`, so that its Python
//! client, its command line and its TypeScript SDK work unmodified.
//!
//! What differs on purpose is in docs/guides/coming-from-bandsox.md.

mod dockerfile;
mod error;
mod exec;
mod exec_stream;
mod extract;
mod failure;
mod fields;
mod files;
mod frames;
mod http;
mod keys;
mod mcp;
mod names;
mod pages;
mod routes;
mod snapshots;
mod socket;
mod terminal;
mod upload;
mod vm;
mod vms;
mod write;

pub(crate) use error::Detail;
pub(crate) use pages::is_page;
pub(crate) use routes::{is_ours, routes, unknown_path, wrong_method};
