//! How a VMM process is found again by a later daemon.

use std::{fs, io};

use serde::{Deserialize, Serialize};

/// What tells one process from every other one that this host has had or will have: a pid alone is used
/// again, a pid with its start time only after a reboot, and a reboot changes the boot id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// The process's id.
    pub pid: u32,
    /// When it started, in clock ticks since the host's boot (field 22 of /proc/PID/stat, proc_pid_stat(5)).
    pub start_ticks: u64,
    /// The host's boot (/proc/sys/kernel/random/boot_id).
    pub boot_id: String,
    /// Its place in the jail: its uid where VMMs have uids of their own, and its context id over vsock.
    pub place: u32,
}

impl ProcessMark {
    /// The mark of a process that is there.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn of(pid: u32, place: u32) -> io::Result<Self> {
        Ok(Self {
            pid,
            start_ticks: start_ticks(pid)?,
            boot_id: boot_id()?,
            place,
        })
    }

    /// Whether the process with this pid is the one that was marked. Ask only while a descriptor of the
    /// process is open, or the pid may be another's by the time of the answer.
    pub(crate) fn is_there(&self) -> bool {
        let same_boot = boot_id().is_ok_and(|id| id == self.boot_id);
        same_boot && start_ticks(self.pid).is_ok_and(|ticks| ticks == self.start_ticks)
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

fn start_ticks(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_start(&stat).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The process's name, which may hold anything, stands in brackets before field 3.
fn parse_start(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let stat = "77 (a) 1 (b) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 9 10";
        assert_eq!(parse_start(stat), Some(123_456));
    }

    #[test]
    fn a_process_that_is_not_the_one_marked_is_told_apart() {
        let mark = ProcessMark::of(std::process::id(), 7).unwrap();
        assert!(mark.is_there());
        let earlier = ProcessMark {
            start_ticks: mark.start_ticks - 1,
            ..mark.clone()
        };
        let before_reboot = ProcessMark {
            boot_id: "another".to_owned(),
            ..mark
        };
        assert!(!earlier.is_there() && !before_reboot.is_there());
    }
}
