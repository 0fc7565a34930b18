//! The last lines of something that may talk for a long time.

use std::collections::VecDeque;

/// Most lines kept, and most characters of each.
const MAX_LINES: usize = 30;
const MAX_LINE_CHARS: usize = 400;

/// Keeps the newest lines; when it is full the oldest goes.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<String>);

impl Tail {
    /// Adds a line, cut to a bounded length, and returns it as kept.
    pub(crate) fn push(&mut self, line: &str) -> String {
        let kept: String = line
            .chars()
            .take(MAX_LINE_CHARS)
            .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
            .collect();
        if self.0.len() == MAX_LINES {
            self.0.pop_front();
        }
        self.0.push_back(kept.clone());
        kept
    }

    /// The lines, one below the other.
    pub(crate) fn text(&self) -> String {
        self.0
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_lines_are_kept_and_long_ones_are_cut() {
        let mut tail = Tail::default();
        for n in 0..100 {
            tail.push(&format!("{n} {}", "x".repeat(1000)));
        }
        let text = tail.text();
        assert_eq!(text.lines().count(), MAX_LINES);
        assert!(text.starts_with("70 "));
        assert!(
            text.lines()
                .all(|line| line.chars().count() == MAX_LINE_CHARS)
        );
    }
}
