//! What PID 1 is for: reaping the processes that lost their parent.

use std::{
    convert::Infallible,
    os::fd::{AsFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::yield_now,
};

use super::{
    Children,
    sys::{Whose, try_wait},
};
use crate::sys::watch;

/// Reaps every child that nobody waits for. Only for PID 1, before it has a second thread.
#[derive(Debug)]
pub(crate) struct Orphans {
    watched: AsyncFd<OwnedFd>,
    deaths: SignalFd,
    children: Children,
}

impl Orphans {
    /// Blocks SIGCHLD for this thread and reads it from a descriptor instead.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn new(children: Children) -> std::io::Result<Self> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block()?;
        let deaths = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self {
            watched: watch(deaths.as_fd().try_clone_to_owned()?, Interest::READABLE)?,
            deaths,
            children,
        })
    }

    /// Reaps until it is dropped.
    ///
    /// # Errors
    /// What the kernel says about the signal descriptor.
    pub(crate) async fn run(self) -> std::io::Result<Infallible> {
        loop {
            self.reap_all();
            tokio::select! {
                ready = self.watched.readable() => {
                    let mut ready = ready?;
                    // Most children have somebody who waits for them, and does not need to wait for this.
                    yield_now().await;
                    // One read takes the one pending SIGCHLD, however many children died.
                    if self.deaths.read_signal()?.is_none() {
                        ready.clear_ready();
                    }
                }
                () = self.children.reaped() => {}
            }
        }
    }

    fn reap_all(&self) {
        loop {
            match try_wait(Whose::Anyone) {
                // Its owner reaps it and then wakes this loop, for the kernel shows one at a time.
                Ok(Some((pid, _))) if self.children.owns(pid) => return,
                Ok(Some((pid, _))) => {
                    let _ = try_wait(Whose::Pid(pid));
                }
                Err(Errno::EINTR) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}
