//! What the server says of itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
    /// The server's version.
    pub version: String,
}

/// Whether the server can run programs, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// It can.
    pub ready: bool,
    /// The VMM, such as `qemu 7.2.22 (tcg)`.
    pub engine: String,
    /// Why that one.
    pub engine_reason: String,
    /// How template memory reaches clones: `uffd` or `file`.
    pub memory_mode: String,
    /// Why that way.
    pub memory_reason: String,
}
