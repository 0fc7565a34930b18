//! `api.db`: the admin password, keys, sessions and the audit log. Nothing else opens that file.
//!
//! ```text
//! the daemon:  Db (handle) ──bounded queue──► one thread ──► ApiDb ──► api.db (SQLite, WAL, 0600)
//! `thaw auth`: ──────────────────────────────────────────► ApiDb ──┘
//! ```
//!
//! Both may work on the file at once. What the daemon remembers of it is forgotten when SQLite's
//! `data_version` says that somebody else wrote, so that a password that was just set is asked for at once.

mod admin;
mod audit;
mod error;
mod keys;
mod open;
mod schema;
mod sessions;
mod thread;

pub use error::ApiDbError;
pub use keys::{ImportedKey, KeyError, NewKey};
pub use open::ApiDb;

pub(crate) use admin::Admin;
pub(crate) use audit::AuditRecord;
pub(crate) use thread::Db;
