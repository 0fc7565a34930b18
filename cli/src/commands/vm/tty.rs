//! The terminal that this command runs on.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use terminal_size::{Height, Width, terminal_size_of};
use thaw_api_types::TerminalSize;

/// Our terminal in raw mode: every key goes to the program. Dropping it makes the terminal as it was.
#[derive(Debug)]
pub(super) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Makes standard input raw, if it is a terminal.
    ///
    /// # Errors
    /// What the terminal says.
    pub(super) fn enter() -> Result<Option<Self>> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin).context("looking at the terminal")?;
        let guard = Self { before };
        let mut raw = guard.before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&stdin, SetArg::TCSADRAIN, &raw).context("making the terminal raw")?;
        Ok(Some(guard))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

/// The size of our terminal, if there is one and it says.
pub(super) fn size() -> Option<TerminalSize> {
    let found = terminal_size_of(std::io::stdout()).or_else(|| terminal_size_of(std::io::stdin()));
    let (Width(cols), Height(rows)) = found?;
    let most = TerminalSize::MOST;
    Some(TerminalSize {
        cols: cols.clamp(1, most),
        rows: rows.clamp(1, most),
    })
}
