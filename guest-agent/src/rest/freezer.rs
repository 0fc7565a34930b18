//! Freezes every process but the agent and the kernel's own, with the freezer of cgroup v2
//! (Documentation/admin-guide/cgroup-v2.rst, `cgroup.freeze`).
//!
//! The root of the hierarchy can't be frozen, so what lives there is moved into a group of ours, when
//! it is needed and not before: a clone that is never paused pays nothing. Groups that users made stay as
//! they are and are frozen too.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    unistd::{Pid, getsid},
};
use tokio::io::Interest;

use crate::sys::watch;

const MOUNTED_AT: &str = "/sys/fs/cgroup";

/// The group that processes of the root are moved into.
const OWN_GROUP: &str = "thaw";

/// Processes that move themselves about, or fork, may do so this often before they are given up.
const ROUNDS: usize = 64;

/// The hierarchy of groups. Held open, so that users may unmount it.
#[derive(Debug)]
pub(crate) struct Freezer {
    hierarchy: OwnedFd,
}

/// Frozen groups. Dropping it lets their processes go on.
#[derive(Debug, Default)]
pub(crate) struct Frozen {
    groups: Vec<PathBuf>,
}

impl Freezer {
    /// Opens the mounted hierarchy.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn open() -> io::Result<Self> {
        let hierarchy = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(MOUNTED_AT)?;
        Ok(Self {
            hierarchy: hierarchy.into(),
        })
    }

    /// Returns when every process stands still.
    ///
    /// # Errors
    /// What the kernel says; all go on then.
    ///
    /// # Cancel safety
    /// Dropped before it returns, all go on.
    pub(super) async fn freeze(&self) -> io::Result<Frozen> {
        let mut frozen = Frozen::default();
        let own = self.path(OWN_GROUP);
        match fs::create_dir(&own) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        for _ in 0..ROUNDS {
            let fresh = self.freeze_groups(&mut frozen)?;
            let moved = self.gather(&own)?;
            if !fresh && !moved {
                return Ok(frozen);
            }
            for group in &frozen.groups {
                stands_still(group).await?;
            }
        }
        Err(io::Error::other("they do not stop moving about"))
    }

    /// Freezes the groups that are not frozen yet; whether there was one.
    fn freeze_groups(&self, frozen: &mut Frozen) -> io::Result<bool> {
        let mut fresh = false;
        for entry in fs::read_dir(self.path("."))? {
            let group = entry?.path();
            match fs::read_to_string(group.join("cgroup.freeze")) {
                Ok(state) if state.trim_end() == "0" => {
                    frozen.add(group)?;
                    fresh = true;
                }
                // Frozen already, by us or by a user whose it stays.
                Ok(_) => {}
                // A file, or a group that has just been removed.
                Err(_) => {}
            }
        }
        Ok(fresh)
    }

    /// Moves what lives in the root; whether there was anything.
    fn gather(&self, own: &Path) -> io::Result<bool> {
        let mut moved = false;
        for line in fs::read_to_string(self.path("cgroup.procs"))?.lines() {
            let pid = line.parse().map_err(io::Error::other)?;
            if pid == std::process::id() as i32 || !is_program(Pid::from_raw(pid)) {
                continue;
            }
            match write(&own.join("cgroup.procs"), line) {
                // It has just ended.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) => return Err(error),
                Ok(()) => moved = true,
            }
        }
        Ok(moved)
    }

    fn path(&self, name: &str) -> PathBuf {
        let hierarchy = self.hierarchy.as_raw_fd();
        PathBuf::from(format!("/proc/self/fd/{hierarchy}/{name}"))
    }
}

/// The kernel's own threads have no session; every program has, for the agent starts each with one of its own.
fn is_program(pid: Pid) -> bool {
    match getsid(Some(pid)) {
        Ok(session) => session.as_raw() != 0,
        Err(Errno::ESRCH) => false,
        // A session of a namespace that this one can't see.
        Err(_) => true,
    }
}

impl Frozen {
    fn add(&mut self, group: PathBuf) -> io::Result<()> {
        write(&group.join("cgroup.freeze"), "1")?;
        self.groups.push(group);
        Ok(())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for group in &self.groups {
            // A group that is gone has no processes. Nothing else can refuse.
            let _ = write(&group.join("cgroup.freeze"), "0");
        }
    }
}

/// Waits for the kernel's word that every process of the group, and of those below it, stands still.
async fn stands_still(group: &Path) -> io::Result<()> {
    let events = match File::open(group.join("cgroup.events")) {
        // It was removed, which only an empty group can be.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        events => events?,
    };
    // Watched before it is read, so that no change is missed.
    let changes = watch(events.try_clone()?.into(), Interest::PRIORITY)?;
    let mut text = [0; 256];
    loop {
        let read = events.read_at(&mut text, 0)?;
        if text[..read]
            .split(|byte| *byte == b'\n')
            .any(|line| line == b"frozen 1")
        {
            return Ok(());
        }
        changes.ready(Interest::PRIORITY).await?.clear_ready();
    }
}

/// One write, as these files want it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}
