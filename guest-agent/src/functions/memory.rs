//! Whether memory ran out: what the kernel has killed for it, and what runtimes call it.

use std::fs;

use serde::Deserialize;

/// How many processes the kernel has killed since its boot because memory ran out (`oom_kill` of
/// proc_vmstat(5)); 0 where it does not say.
pub(super) fn kills() -> u64 {
    fs::read_to_string("/proc/vmstat").map_or(0, |vmstat| count(&vmstat))
}

fn count(vmstat: &str) -> u64 {
    let counts = vmstat.lines().filter_map(|line| line.split_once(' '));
    let mut kills = counts.filter(|(name, _)| *name == "oom_kill");
    kills
        .next()
        .and_then(|(_, count)| count.parse().ok())
        .unwrap_or(0)
}

/// Whether the description of an error says that memory ran out.
pub(super) fn is_told(description: &[u8]) -> bool {
    /// What every runtime says of an error.
    #[derive(Deserialize)]
    struct Error {
        #[serde(rename = "errorType")]
        kind: String,
    }
    let kinds = ["MemoryError", "NoMemoryError", "java.lang.OutOfMemoryError"];
    let error = serde_json::from_slice::<Error>(description);
    error.is_ok_and(|error| kinds.contains(&error.kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_and_errors_of_memory_are_known_by_their_type() {
        assert_eq!(count("nr_free_pages 5\noom_kill 3\nswap_ra 0\n"), 3);
        assert_eq!(count("nr_free_pages 5\n"), 0);
        assert!(is_told(
            br#"{"errorMessage": "", "errorType": "MemoryError"}"#
        ));
        assert!(!is_told(
            br#"{"errorMessage": "MemoryError", "errorType": "E"}"#
        ));
        assert!(!is_told(b"MemoryError"));
    }
}
