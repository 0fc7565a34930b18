//! The events of a program's run as server-sent events.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Encoding, ErrorBody, ExecExit};

/// A piece of output: the data of the events `stdout` and `stderr`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputChunk {
    /// The output. As `utf8` a piece never ends inside a character.
    pub data: String,
    /// How `data` is written.
    pub encoding: Encoding,
}

/// One event of a run. The last is `Exit` or `Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// Event `stdout`.
    Stdout(OutputChunk),
    /// Event `stderr`.
    Stderr(OutputChunk),
    /// Event `exit`: the JSON answer without the output.
    Exit(ExecExit),
    /// Event `error`: the run was lost after its answer had begun.
    Error(ErrorBody),
}
