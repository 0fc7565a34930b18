//! What is used inside the guest.

use std::fs;

use nix::{
    sys::statvfs::statvfs,
    unistd::{SysconfVar, sysconf},
};
use thaw_guest_protocol::GuestUsage;

use crate::failure::OperationError;

/// Reads the figures from /proc and the root file system.
///
/// # Errors
/// A file of /proc that cannot be read.
pub(crate) fn usage() -> Result<GuestUsage, OperationError> {
    let read = |path: &str| {
        fs::read_to_string(path)
            .map_err(|error| OperationError::io(&format!("read {path}"), &error))
    };
    let memory = read("/proc/meminfo")?;
    let disk = statvfs("/").map_err(|errno| OperationError::system("look at the disk", errno))?;
    // 100 on every Linux; the kernel's own unit of these counters.
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let tick_us = 1_000_000 / u64::try_from(ticks).unwrap_or(100).max(1);
    Ok(GuestUsage {
        memory_total_bytes: meminfo_bytes(&memory, "MemTotal"),
        memory_available_bytes: meminfo_bytes(&memory, "MemAvailable"),
        disk_total_bytes: disk.blocks() * disk.fragment_size(),
        disk_available_bytes: disk.blocks_available() * disk.fragment_size(),
        cpu_us: busy_ticks(&read("/proc/stat")?) * tick_us,
        processes: processes(),
    })
}

fn meminfo_bytes(meminfo: &str, key: &str) -> u64 {
    meminfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| *name == key)
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Everything of the first line of proc_stat(5) but idle, iowait, and guest time, which user time includes.
fn busy_ticks(stat: &str) -> u64 {
    let all = stat.lines().next().unwrap_or("");
    all.split_whitespace()
        .skip(1)
        .take(8)
        .enumerate()
        .filter(|(column, _)| !matches!(column, 3 | 4))
        .filter_map(|(_, ticks)| ticks.parse::<u64>().ok())
        .sum()
}

/// Kernel threads have no command line, and neither have zombies.
fn processes() -> u64 {
    let Ok(entries) = fs::read_dir("/proc") else {
        return 0;
    };
    let with_command = entries.filter_map(Result::ok).filter(|entry| {
        let numeric = entry.file_name().as_encoded_bytes()[0].is_ascii_digit();
        numeric && fs::read(entry.path().join("cmdline")).is_ok_and(|line| !line.is_empty())
    });
    with_command.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_the_kernel_writes_them() {
        let meminfo = "MemTotal:         254140 kB\nMemFree:   1 kB\nMemAvailable:     190000 kB\n";
        assert_eq!(meminfo_bytes(meminfo, "MemAvailable"), 190_000 * 1024);
        assert_eq!(meminfo_bytes(meminfo, "Nothing"), 0);
        assert_eq!(busy_ticks("cpu  1 2 3 1000 1000 4 5 6 7 8\ncpu0 9 9"), 21);
    }
}
