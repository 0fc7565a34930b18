//! What VMMs take of the host's memory, read from /proc.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// One VMM, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Guest {
    /// The whole process, shared pages by their share (PSS).
    pub(super) process_pss: u64,
    /// Pages of guest memory that it alone has because it wrote them.
    pub(super) private: u64,
    /// Pages of guest memory that are the template's.
    pub(super) shared: u64,
}

/// The VMMs that this process started.
pub(super) fn of_this_process() -> Result<Vec<Guest>> {
    let parent = format!("PPid:\t{}\n", std::process::id());
    let mut guests = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        // A process may end while it is looked at.
        let Ok(status) = fs::read_to_string(path.join("status")) else {
            continue;
        };
        let name = status.lines().next().unwrap_or_default();
        if status.contains(&parent) && name.contains("qemu") {
            guests.push(look(&path)?);
        }
    }
    Ok(guests)
}

fn look(process: &Path) -> Result<Guest> {
    let read = |name: &str| {
        let path = process.join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let mut guest = Guest {
        process_pss: sum(read("smaps_rollup")?.lines(), "Pss:"),
        ..Guest::default()
    };
    let smaps = read("smaps")?;
    let mut lines = smaps.lines().peekable();
    while let Some(line) = lines.next() {
        // The template's memfd, or its file.
        let is_memory = line.contains("/memfd:thaw-") || line.contains("/memory.bin");
        let mut fields = Vec::new();
        while let Some(field) = lines.next_if(|line| is_field(line)) {
            fields.push(field);
        }
        if is_memory {
            let of = |name| sum(fields.iter().copied(), name);
            // With one clone nobody shares the template's pages with it, and smaps calls them its own.
            guest.private += of("Anonymous:");
            guest.shared += of("Rss:") - of("Anonymous:");
        }
    }
    Ok(guest)
}

/// A mapping's figures begin with a name and a colon; its own line with an address.
fn is_field(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    first.ends_with(':') && first.starts_with(|first: char| first.is_ascii_uppercase())
}

fn sum<'a>(lines: impl Iterator<Item = &'a str>, name: &str) -> u64 {
    let value = |line: &str| {
        line.strip_prefix(name)?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    };
    lines.filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_from_mappings() {
        assert!(is_field("Anonymous:         8 kB"));
        assert!(!is_field(
            "7f00-7f01 rw-p 00000000 00:01 7 /memfd:thaw-x (deleted)"
        ));
        let lines = [
            "Rss:    4 kB",
            "Anonymous:  8 kB",
            "AnonHugePages: 1 kB",
            "Rss: 1 kB",
        ];
        assert_eq!(sum(lines.into_iter(), "Rss:"), 5);
        assert_eq!(sum(lines.into_iter(), "Anonymous:"), 8);
    }
}
