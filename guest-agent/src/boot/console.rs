//! The kernel's console: the agent speaks there only when something is wrong.

use std::{error::Error, io::Write as _};

/// Says an error and its causes. A console that does not work can't be helped.
pub(crate) fn say(error: &dyn Error) {
    let mut text = format!("thaw-agent: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    say_text(&text);
}

/// Says one line.
pub(crate) fn say_text(text: &str) {
    // The kernel gives its console to PID 1 as standard error.
    let _ = writeln!(std::io::stderr(), "{text}\r");
}
