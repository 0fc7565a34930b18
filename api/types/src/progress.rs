//! How long work tells how far it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The data of the event `progress`. The last event is `done` (the JSON answer) or `error`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressEvent {
    /// What is being done, for people.
    pub message: String,
    /// How much of it is done, in bytes, where that can be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_bytes: Option<u64>,
    /// How much there is to do, in bytes, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
}
