//! What goes over the WebSockets of running programs: text messages are JSON, binary ones raw bytes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ErrorDetail, ExecExit, VmExecRequest};

/// The first byte of a binary message with standard output.
pub const STDOUT_CHANNEL: u8 = 1;
/// The first byte of a binary message with standard error.
pub const STDERR_CHANNEL: u8 = 2;

/// A terminal's size in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    /// Columns: 1 to 1000.
    #[schema(minimum = 1, maximum = 1000)]
    pub cols: u16,
    /// Rows: 1 to 1000.
    #[schema(minimum = 1, maximum = 1000)]
    pub rows: u16,
}

impl TerminalSize {
    /// The largest number of columns or rows.
    pub const MOST: u16 = 1000;

    /// What is wrong with it, if anything is.
    pub fn problem(self) -> Option<String> {
        let fits = |cells: u16| (1..=Self::MOST).contains(&cells);
        let wrong = !fits(self.cols) || !fits(self.rows);
        wrong.then(|| {
            format!(
                "a terminal of {} columns and {} rows; each may be 1 to {}",
                self.cols,
                self.rows,
                Self::MOST
            )
        })
    }
}

/// The first text message of `/v1/vms/{id}/exec/ws`: what to run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecSocketStart {
    /// The program. Without `timeout_ms` it runs until it ends or its caller leaves, without `output_limit_bytes` all of
    /// its output is sent.
    pub exec: VmExecRequest,
    /// Whether binary messages with standard input follow.
    #[serde(default)]
    pub stdin: bool,
    /// Run it on a terminal of this size; standard error is then part of standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<TerminalSize>,
}

/// A text message of the client to a running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SocketControl {
    /// The terminal has a new size.
    Resize(TerminalSize),
    /// Send a signal to the program's process group.
    Signal {
        /// Its number (signal(7)).
        signal: i32,
    },
    /// No more standard input.
    StdinEnd,
}

/// The last text message of the server; then it closes the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SocketEnd {
    /// The program has ended.
    Exit(ExecExit),
    /// It could not be started, or was lost.
    Error {
        /// Why.
        error: ErrorDetail,
    },
}

/// A text message of `/v1/vms/{id}/tcp/{port}`, either way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TunnelMessage {
    /// No more bytes come from this side.
    End,
    /// The connection in the VM broke; only the server says so.
    Error {
        /// Why.
        error: ErrorDetail,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_as_they_are_documented() {
        let control = |json: &str| serde_json::from_str::<SocketControl>(json).unwrap();
        let size = TerminalSize {
            cols: 100,
            rows: 40,
        };
        assert_eq!(
            control(r#"{"type":"resize","cols":100,"rows":40}"#),
            SocketControl::Resize(size)
        );
        assert_eq!(
            control(r#"{"type":"signal","signal":15}"#),
            SocketControl::Signal { signal: 15 }
        );
        assert_eq!(control(r#"{"type":"stdin_end"}"#), SocketControl::StdinEnd);
        assert!(TerminalSize { cols: 0, rows: 1 }.problem().is_some());
    }
}
