//! What one process uses of the host's memory.

use std::{fs, io};

/// Figures of /proc/PID/smaps_rollup (proc(5)), in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryFigures {
    /// Proportional set size: shared pages count by their share.
    pub pss_bytes: u64,
    /// Resident set size.
    pub rss_bytes: u64,
    /// Pages that nobody else maps, clean and dirty.
    pub private_bytes: u64,
}

impl MemoryFigures {
    /// Reads the figures of a process.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(format!(
            "/proc/{pid}/smaps_rollup"
        ))?))
    }

    fn parse(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), Some(Ok(kib))) = (words.next(), words.next().map(str::parse::<u64>))
            else {
                continue;
            };
            match name {
                "Pss:" => figures.pss_bytes = kib << 10,
                "Rss:" => figures.rss_bytes = kib << 10,
                "Private_Clean:" | "Private_Dirty:" => figures.private_bytes += kib << 10,
                _ => {}
            }
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_and_dirty_private_pages_are_added() {
        let text = "55d0-7ffc ---p 0 00:00 0 [rollup]\nRss: 30 kB\nPss: 20 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 2 kB\n";
        assert_eq!(
            MemoryFigures::parse(text),
            MemoryFigures {
                pss_bytes: 20 << 10,
                rss_bytes: 30 << 10,
                private_bytes: 3 << 10
            }
        );
    }
}
