//! Templates on disk and in use.
//!
//! ```text
//! templates/.staging-XXXX/ ─written, synced, tried─► rename ─► templates/<id>/   the folder is the truth
//!                                                               manifest.json    versioned; written last
//!                                                               memory.bin       frozen memory, checked by chunk
//!                                                               state.bin        the VMM's device state
//!                                                               scratch.img      the scratch disk as it was frozen
//!                                                               working-set.json pages that restores touch; optional
//!                                                               restores.json    what the last ones cost; optional
//! ```
//!
//! A folder whose manifest can't be used is kept and named, never used and never overwritten: its
//! template is refused until somebody removes it.

mod key;
mod loaded;
mod manifest;
mod store;

pub(crate) use key::TemplateKey;
pub(crate) use loaded::{LoadError, LoadedTemplate, root_fs, scratch_sha256, sha256};
pub(crate) use manifest::{BadTemplate, FORMAT_VERSION, Manifest};
pub(crate) use store::{Staging, TemplateStore};
