//! The images of one node, on disk.
//!
//! ```text
//! images/
//!   names.json                 name -> digest
//!   <64 hex digits>/           one image; the folder describes itself
//!     manifest.json            version, format, configuration, hash of the root filesystem
//!     root.img                 the root filesystem, never changed
//!   .staging-XXXXXX/           an image being made; removed at the next start when its maker was killed
//! ```
//!
//! ```text
//! add:    staged --fsync, rename--> stored --names.json--> named
//!            \--error, or dropped--> removed
//! remove: named --last name, not pinned--> nameless --rename--> staging --> gone
//! ```
//!
//! An image's digest is the SHA-256 of the canonical JSON of its root filesystem's hash, its format and its configuration.
//! The configuration counts because templates are keyed by the digest: the same files with another environment or user run
//! differently, and must not share a frozen state.

mod add;
mod error;
mod folder;
mod manifest;
mod names;
mod open;
mod pins;
mod remove;
mod resolve;

pub use add::AddOptions;
pub use error::{RemoveError, StoreError};
pub use open::{ImageStore, StoreOptions};
pub use pins::ImagePin;
pub use remove::RemovedImage;
pub use resolve::Resolution;
