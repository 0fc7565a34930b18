//! The HTTP service of Thaw: REST over a runner, metrics, and the description of both.
//!
//! Only this crate knows HTTP. A request goes through these layers:
//!
//! ```text
//! listener (bounded) ─► observe (id, span, count) ─► gate (Host, Origin) ─► auth (who, may they) ─► route ─► convert ─► runner
//!                                                                            ◄── failure: code, status, hint
//! ```

pub mod auth;
mod bandsox;
mod body;
mod config;
mod convert;
mod dashboard;
mod error;
mod events;
mod exec;
mod failure;
mod form;
mod functions;
mod gate;
mod health;
mod images;
mod inside;
mod leftover;
mod listen;
mod metrics;
mod named;
mod observe;
mod openapi;
mod pools;
mod router;
mod server;
mod snapshots;
mod state;
mod templates;
#[cfg(test)]
mod testing;
mod vms;
mod work;

pub use config::{ApiConfig, ServerConfig};
pub use dashboard::Dashboard;
pub use listen::{ListenError, is_loopback, listen};
pub use openapi::document;
pub use router::Service;
pub use server::{Stopped, serve};
pub use state::OpenError;
