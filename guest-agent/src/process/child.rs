//! One child, and the set of all.

use std::{
    collections::HashSet,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
};

use nix::{errno::Errno, unistd::Pid};
use thaw_guest_protocol::ExitStatus;
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::Handle,
    sync::Notify,
};
use tokio_util::task::TaskTracker;

use super::sys::{Whose, signal_group, try_wait};
use crate::sys::watch;

/// Every child that somebody waits for.
///
/// As many as there are operations and interpreters; the session bounds those.
#[derive(Debug, Clone)]
pub(crate) struct Children {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    owned: Mutex<HashSet<Pid>>,
    /// Told when an owned child was reaped: an orphan may have died behind it.
    reaped: Notify,
    /// The tasks that reap killed children.
    ending: TaskTracker,
    runtime: Handle,
}

impl Children {
    /// Makes the set; killed children are reaped on `runtime`.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            shared: Arc::new(Shared {
                owned: Mutex::default(),
                reaped: Notify::new(),
                ending: TaskTracker::new(),
                runtime,
            }),
        }
    }

    /// Whether somebody waits for this process.
    pub(crate) fn owns(&self, pid: Pid) -> bool {
        self.owned().contains(&pid)
    }

    /// Ends when an owned child was reaped since the last call ended.
    pub(crate) async fn reaped(&self) {
        self.shared.reaped.notified().await;
    }

    pub(super) fn adopt(&self, pid: Pid, pidfd: OwnedFd) -> Result<Child, Errno> {
        self.owned().insert(pid);
        match watch(pidfd, Interest::READABLE) {
            Ok(pidfd) => Ok(Child {
                process: Some(Process { pid, pidfd }),
                life: Life::Runs,
                pid,
                children: self.clone(),
            }),
            Err(error) => {
                // No room in epoll. SIGKILL can't be refused, so this wait is short.
                let _ = signal_group(pid, libc::SIGKILL);
                let _ = nix::sys::wait::waitpid(pid, None);
                self.forget(pid);
                Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
            }
        }
    }

    fn forget(&self, pid: Pid) {
        self.owned().remove(&pid);
        self.shared.reaped.notify_one();
    }

    fn owned(&self) -> std::sync::MutexGuard<'_, HashSet<Pid>> {
        // Every update is one call, so a panic elsewhere can't have left it half-done.
        self.shared
            .owned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Process {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
}

/// What dropping a child means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// It runs: its group is killed.
    Runs,
    /// It ends by itself: it is reaped when it has.
    Ends,
    /// It has been reaped: nothing.
    Over,
}

/// A running program and its process group. Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct Child {
    /// Taken when it is dropped.
    process: Option<Process>,
    life: Life,
    pid: Pid,
    children: Children,
}

impl Child {
    /// Waits for the end of the process and reaps it. Its group may live on.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, Errno> {
        let (Some(process), Life::Runs) = (&self.process, self.life) else {
            return Err(Errno::ECHILD);
        };
        let status = reap(process).await?;
        self.life = Life::Over;
        self.children.forget(self.pid);
        Ok(status)
    }

    /// For a process that ends by itself now: it is reaped when it has, and its group lives on.
    pub(crate) fn let_end(&mut self) {
        if self.life == Life::Runs {
            self.life = Life::Ends;
        }
    }

    fn reap_later(&self, process: Process) {
        let children = self.children.clone();
        let end = async move {
            // Its status is of no interest to anybody any more.
            let _ = reap(&process).await;
            children.forget(process.pid);
        };
        let shared = &self.children.shared;
        shared.ending.spawn_on(end, &shared.runtime);
    }

    /// Sends a signal to the whole group.
    ///
    /// # Errors
    /// `EINVAL` for a number that is no signal, `ESRCH` when the process has been reaped.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), Errno> {
        if self.life != Life::Runs {
            return Err(Errno::ESRCH);
        }
        signal_group(self.pid, signal)
    }
}

async fn reap(process: &Process) -> Result<ExitStatus, Errno> {
    loop {
        if let Some((_, status)) = try_wait(Whose::Pidfd(process.pidfd.as_raw_fd()))? {
            return Ok(status);
        }
        // The pidfd becomes readable once, for good, when the process has ended.
        let ready = process.pidfd.readable().await;
        ready
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?
            .clear_ready();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let (Some(process), false) = (self.process.take(), self.life == Life::Over) else {
            return;
        };
        if self.life == Life::Runs {
            // The process is not reaped yet, so the number still means this group.
            let _ = signal_group(process.pid, libc::SIGKILL);
        }
        self.reap_later(process);
    }
}
