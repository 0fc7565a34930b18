//! What the server's two threads and the handles of its clones share.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
};

use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags},
    eventfd::{EfdFlags, EventFd},
};
use tokio::sync::watch;

use super::{
    AttachError,
    client::{Client, State},
    completion::Job,
};

/// The epoll token of the server's own bell; clones count from 1.
pub(super) const BELL: u64 = 0;
/// The most clones that are served at once. A clone beyond that is refused; those that became
/// independent don't count.
pub(super) const MAX_CLIENTS: usize = 1024;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) epoll: Epoll,
    pub(super) bell: EventFd,
    pub(super) stop: AtomicBool,
    pub(super) lost: watch::Sender<bool>,
    pub(super) jobs: SyncSender<Job>,
    clients: Mutex<HashMap<u64, Arc<Client>>>,
}

impl Shared {
    pub(super) fn new(jobs: SyncSender<Job>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        Ok(Self {
            epoll,
            bell,
            stop: AtomicBool::new(false),
            lost: watch::Sender::new(false),
            jobs,
            clients: Mutex::new(HashMap::with_capacity(MAX_CLIENTS)),
        })
    }

    pub(super) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Takes a clone on; from now on its faults are heard.
    pub(super) fn add(&self, client: &Arc<Client>) -> Result<(), AttachError> {
        let mut clients = self.clients();
        if self.is_lost() {
            return Err(AttachError::ServerLost);
        }
        if clients.len() >= MAX_CLIENTS {
            return Err(AttachError::Full(MAX_CLIENTS));
        }
        clients.insert(client.id, Arc::clone(client));
        let interest = EpollEvent::new(EpollFlags::EPOLLIN, client.id);
        if let Err(errno) = self.epoll.add(&client.uffd, interest) {
            clients.remove(&client.id);
            return Err(AttachError::Io(errno.into()));
        }
        Ok(())
    }

    /// Hears no more of a clone.
    pub(super) fn remove(&self, client: &Client) {
        if self.clients().remove(&client.id).is_some()
            && let Err(error) = self.epoll.delete(&client.uffd)
        {
            tracing::debug!(%error, clone = client.id, "could not forget a userfaultfd");
        }
    }

    pub(super) fn client(&self, id: u64) -> Option<Arc<Client>> {
        self.clients().get(&id).cloned()
    }

    pub(super) fn all_clients(&self) -> Vec<Arc<Client>> {
        self.clients().values().cloned().collect()
    }

    /// Makes a clone independent whose memory lacks nothing any more.
    pub(super) fn release(&self, client: &Client) {
        if client.is_served()
            && let Err(error) = client.release()
        {
            client.fail(error);
        }
        if matches!(*client.state.borrow(), State::Independent) {
            self.remove(client);
        }
    }

    /// Tells the threads to end.
    pub(super) fn halt(&self) {
        self.stop.store(true, Ordering::Release);
        if let Err(error) = self.bell.write(1) {
            tracing::debug!(%error, "could not ring the page server");
        }
        // A full queue wakes its thread as well, which then looks at `stop`.
        drop(self.jobs.try_send(Job::Stop));
    }

    pub(super) fn is_halted(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<u64, Arc<Client>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by each thread of a server: however it ends, everybody learns it.
#[derive(Debug)]
pub(super) struct Presence(pub(super) Arc<Shared>);

impl Drop for Presence {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a thread of the page server panicked; clones wait to be taken over");
        }
        self.0.halt();
        self.0.lost.send_replace(true);
    }
}
