//! VMMs that an earlier daemon left behind.

use std::{
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
};

use crate::{VmmId, sys};

/// How long a killed process may take to be gone.
const GRACE: Duration = Duration::from_secs(5);

/// The name that a VMM carries on its command line: `thaw-TAG-ID`, where TAG stands for the storage root.
pub(crate) fn process_name(tag: &str, id: &VmmId) -> String {
    format!("thaw-{tag}-{id}")
}

/// Kills every process that carries the tag and is not kept; returns the ids once they are gone.
///
/// The command line is read again through the process's own descriptor after it was opened, so a
/// pid that was reused in between is not hit.
pub(crate) fn end(tag: &str, keep: &[VmmId]) -> io::Result<Vec<VmmId>> {
    let mut ended = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry
            .ok()
            .and_then(|entry| entry.file_name().to_str()?.parse().ok())
        else {
            continue;
        };
        let Some(id) = owner(pid, tag).filter(|id| !keep.contains(id)) else {
            continue;
        };
        let Ok(process) = sys::pidfd_open(pid) else {
            continue;
        };
        if owner(pid, tag).as_ref() != Some(&id) {
            continue;
        }
        sys::pidfd_kill(&process, Signal::SIGKILL)?;
        wait_gone(&process)?;
        ended.push(id);
    }
    Ok(ended)
}

/// The id on a process's command line, if it is a VMM of this storage root.
fn owner(pid: i32, tag: &str) -> Option<VmmId> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    id_on_command_line(&line, tag)
}

fn id_on_command_line(line: &[u8], tag: &str) -> Option<VmmId> {
    let mut words = line.split(|byte| *byte == 0);
    words.find(|word| *word == b"-name")?;
    let name = std::str::from_utf8(words.next()?).ok()?;
    let id = name
        .strip_prefix("thaw-")?
        .strip_prefix(tag)?
        .strip_prefix('-')?;
    VmmId::try_from(id.to_owned()).ok()
}

fn wait_gone(process: &OwnedFd) -> io::Result<()> {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(GRACE).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout)? {
        0 => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "a VMM of an earlier daemon does not die",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_vmm_of_the_same_storage_root_is_ours() {
        let line = b"qemu\0-name\0thaw-abc-vm-1\0-m\x00256\0";
        assert_eq!(id_on_command_line(line, "abc").unwrap().as_str(), "vm-1");
        assert!(id_on_command_line(line, "abd").is_none());
        assert!(id_on_command_line(b"grep\0thaw-abc-vm-1\0", "abc").is_none());
    }
}
