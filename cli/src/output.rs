//! What commands print: tables for people, JSON for programs, progress for whoever waits.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use thaw_api_types::ProgressEvent;

/// Prints a line on standard output.
///
/// # Errors
/// When nobody reads it any more.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints JSON on standard output.
///
/// # Errors
/// When nobody reads it any more.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints columns, each as wide as its widest cell.
///
/// # Errors
/// When nobody reads it any more.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let text = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}", width = *width));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    line(&text(&mut head.iter().copied()))?;
    for row in rows {
        line(&text(&mut row.iter().map(String::as_str)))?;
    }
    Ok(())
}

/// Says something to whoever waits, on standard error.
#[expect(clippy::print_stderr, reason = "what is said here is no result")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Bytes as people read them.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// Seconds since 1970 as an age.
pub(crate) fn age(created_at: u64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    indicatif::HumanDuration(Duration::from_secs(now.saturating_sub(created_at))).to_string()
}

/// Seconds since 1970 as the time that is left until then.
pub(crate) fn until(at: u64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    match at.checked_sub(now) {
        Some(left) if left > 0 => {
            let left = indicatif::HumanDuration(Duration::from_secs(left));
            format!("in {left}")
        }
        _ => "expired".to_owned(),
    }
}

/// Shows how far long work is: a moving line on a terminal, a line for each new stage elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    /// Begins to show.
    pub(crate) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::default_spinner());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            bar,
            last: String::new(),
        }
    }

    /// Shows a step.
    pub(crate) fn show(&mut self, event: &ProgressEvent) {
        let text = match (event.done_bytes, event.total_bytes) {
            (Some(done), Some(total)) => {
                format!("{} ({} of {})", event.message, bytes(done), bytes(total))
            }
            (Some(done), None) => format!("{} ({})", event.message, bytes(done)),
            _ => event.message.clone(),
        };
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if event.message != self.last => note(&event.message),
            None => {}
        }
        event.message.clone_into(&mut self.last);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Counts bytes for whoever waits.
#[derive(Debug)]
pub(crate) struct Meter {
    progress: Progress,
    event: ProgressEvent,
}

impl Meter {
    /// Begins to show what is done with so many bytes.
    pub(crate) fn new(what: &str, total_bytes: Option<u64>) -> Self {
        Self {
            progress: Progress::start(),
            event: ProgressEvent {
                message: what.to_owned(),
                done_bytes: Some(0),
                total_bytes,
            },
        }
    }

    /// So many more.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.is_at(self.event.done_bytes.unwrap_or(0) + bytes as u64);
    }

    /// So many in all.
    pub(crate) fn is_at(&mut self, done: u64) {
        self.event.done_bytes = Some(done);
        self.progress.show(&self.event);
    }
}

/// Shows how much of an upload is sent.
pub(crate) fn sending() -> impl FnMut(u64, u64) + Send + 'static {
    let mut meter: Option<Meter> = None;
    move |done, total| {
        let meter = meter.get_or_insert_with(|| Meter::new("sending", Some(total)));
        meter.is_at(done);
    }
}
