//! Who sent a request, and what they may do.
//!
//! ```text
//! request ─► enforce ─► table (method, route ─► scope) ─► credential ─► Auth::identify ─► Identity ─► route
//!                                                             Auth ─► Db (thread) ─► api.db
//! ```
//!
//! Authentication is on while an admin password is set. While it is off everyone may do everything, so the
//! service listens on loopback only, and `gate` keeps web pages out.

mod attempts;
mod audit;
mod bandsox;
mod clock;
mod cookie;
mod credential;
mod db;
mod enforce;
pub(crate) mod http;
mod identity;
mod password;
mod refusal;
mod routes;
mod secret;
mod service;
#[cfg(test)]
mod sockets;
mod table;
mod token;
#[cfg(test)]
mod walk;

pub use bandsox::{BandsoxAuth, BandsoxError};
pub use db::{ApiDb, ApiDbError, ImportedKey, KeyError, NewKey};
pub use password::{PasswordError, StoredPassword};
pub use secret::ApiKey;
pub use service::{Auth, AuthError};

pub(crate) use audit::{AuditTarget, Draft};
pub(crate) use credential::{is_websocket, presented};
pub(crate) use enforce::{peer, wrong_method};
pub(crate) use identity::{Identity, Who};
pub(crate) use routes::Routes;
pub(crate) use service::LoginError;
pub(crate) use table::Rows;
