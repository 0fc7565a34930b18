//! The page server as its owner sees it, and the handle of one clone.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
};

use super::{
    AttachError, QueueFull, ServeError,
    client::{Client, Memory, Recording, State},
    completion::{self, Job},
    faults,
    shared::{MAX_CLIENTS, Presence, Shared},
};
use crate::{Arrival, WorkingSet, template::ChunkBuffer};

/// Serves the faults of clones: one thread that answers, one that completes in the background.
///
/// Owns both threads and joins them when it is dropped. Owns no clone: an [`AttachedClone`] keeps its
/// userfaultfd, so that another server can [take it over](Self::take_over) when this one is lost.
#[derive(Debug)]
pub struct PageServer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// A clone that a page server serves; whoever holds this holds the clone's pages.
///
/// Dropped too early, the clone is not harmed but waits for ever at its next missing page, because
/// its VMM keeps the userfaultfd open too. After [`independent`](Self::independent) dropping it
/// means nothing.
#[derive(Debug)]
pub struct AttachedClone {
    /// What it has in common with its server; only [`PageServer::take_over`] changes it.
    shared: Mutex<Arc<Shared>>,
    client: Arc<Client>,
}

impl PageServer {
    /// Starts the server's threads.
    ///
    /// # Errors
    /// When the kernel gives no thread, no epoll or no eventfd.
    pub fn start() -> io::Result<Self> {
        // A job is a clone or a template with clones, so there are seldom more than clones.
        let (jobs, waiting) = mpsc::sync_channel(MAX_CLIENTS);
        let shared = Arc::new(Shared::new(jobs)?);
        let mut server = Self {
            shared: Arc::clone(&shared),
            threads: Vec::with_capacity(2),
        };
        let presence = Presence(Arc::clone(&shared));
        server.thread("thaw-faults", move || faults::run(&presence))?;
        let presence = Presence(shared);
        server.thread("thaw-complete", move || {
            completion::run(&presence, &waiting)
        })?;
        Ok(server)
    }

    /// Serves a clone from now on. One whose template is whole becomes independent at once.
    ///
    /// # Errors
    /// When the server has no room, was lost, or the clone's regions are not its template's.
    pub fn attach(
        &self,
        arrival: Arrival,
        memory: Memory,
        recording: Recording,
    ) -> Result<AttachedClone, AttachError> {
        let len = memory.len_bytes();
        for region in &arrival.regions {
            let end = region.offset.saturating_add(region.size);
            if end > len {
                return Err(AttachError::Region { end, len });
            }
        }
        let client = Arc::new(Client::new(arrival, memory, recording));
        self.shared.add(&client)?;
        let attached = AttachedClone {
            shared: Mutex::new(Arc::clone(&self.shared)),
            client,
        };
        attached.release_if_whole();
        Ok(attached)
    }

    /// Serves a clone whose server was lost: wakes what waits, so that it faults again here.
    ///
    /// What was to be completed must be asked for again.
    ///
    /// # Errors
    /// When this server has no room or was lost itself; the clone can then be tried elsewhere.
    pub fn take_over(&self, clone: &AttachedClone) -> Result<(), AttachError> {
        let before = clone.shared();
        if Arc::ptr_eq(&self.shared, &before) {
            return Ok(());
        }
        before.remove(&clone.client);
        if !clone.client.is_served() {
            return Ok(());
        }
        self.shared.add(&clone.client)?;
        clone.serve_by(&self.shared);
        if let Err(error) = clone.client.wake_all() {
            clone.client.fail(error);
        }
        clone.release_if_whole();
        Ok(())
    }

    /// Whether a thread of the server has ended. Its clones wait until another takes them over.
    pub fn is_lost(&self) -> bool {
        self.shared.is_lost()
    }

    /// Resolves when a thread of the server has ended.
    ///
    /// # Cancel safety
    /// Holds no state of its own.
    pub async fn lost(&self) {
        lost(&self.shared).await;
    }

    fn thread(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.shared.halt();
        for thread in self.threads.drain(..) {
            // A panic was reported by the thread's own guard.
            drop(thread.join());
        }
    }
}

impl AttachedClone {
    /// Maps a working set in bulk, best before the clone runs. Blocks: 0.4 microseconds a page, and
    /// the reading of what the template lacks. Returns the number of pages that the clone has of it.
    ///
    /// # Errors
    /// When the template can't be filled or the clone is gone; the clone has then failed.
    pub fn map_working_set(&self, set: &WorkingSet) -> Result<u64, ServeError> {
        if !self.client.is_served() {
            return Ok(0);
        }
        let mut buffer = ChunkBuffer::new();
        match self.client.map(&set.sorted(), &mut buffer) {
            Ok(bytes) => Ok(bytes / crate::PAGE_BYTES),
            Err(error) => {
                self.client.fail(error.clone());
                Err(error)
            }
        }
    }

    /// Asks for completion in the background: the template is filled, then every clone that shares
    /// it is independent.
    ///
    /// # Errors
    /// When 1024 completions are waiting already, or the server was lost.
    pub fn complete(&self) -> Result<(), QueueFull> {
        if !self.client.is_served() {
            return Ok(());
        }
        let job = match &self.client.memory {
            Memory::Shared(template) => Job::Template(Arc::clone(template)),
            Memory::Own(_) => Job::Own(Arc::clone(&self.client)),
        };
        let shared = self.shared();
        shared.jobs.try_send(job).map_err(|_| QueueFull)
    }

    /// Resolves with the reason when the clone can't be served any more, and never for one that can.
    ///
    /// # Cancel safety
    /// Holds no state of its own.
    pub async fn failed(&self) -> ServeError {
        let mut state = self.client.state.subscribe();
        let failed = state
            .wait_for(|state| matches!(state, State::Failed(_)))
            .await;
        match failed.as_deref() {
            Ok(State::Failed(error)) => error.clone(),
            // The sender lives in `self.client`.
            Ok(State::Served | State::Independent) | Err(_) => std::future::pending().await,
        }
    }

    /// Resolves when the clone needs the page server no more. Nothing about the clone is to be
    /// promised to a user before that.
    ///
    /// # Errors
    /// When the clone can't become independent and must be ended, or its server was lost and it must
    /// be taken over.
    ///
    /// # Cancel safety
    /// Holds no state of its own.
    pub async fn independent(&self) -> Result<(), ServeError> {
        let shared = self.shared();
        let mut state = self.client.state.subscribe();
        let settled = async {
            match state
                .wait_for(|state| !matches!(state, State::Served))
                .await
            {
                Ok(state) => match &*state {
                    State::Failed(error) => Err(error.clone()),
                    State::Independent | State::Served => Ok(()),
                },
                // The sender lives in `self.client`.
                Err(_) => Err(ServeError::ServerLost),
            }
        };
        tokio::select! {
            biased;
            settled = settled => settled,
            () = lost(&shared) => Err(ServeError::ServerLost),
        }
    }

    /// Whether the clone needs the page server no more.
    pub fn is_independent(&self) -> bool {
        matches!(*self.client.state.borrow(), State::Independent)
    }

    /// Whether its server was lost and none has taken it over yet.
    pub fn is_server_lost(&self) -> bool {
        self.shared().is_lost()
    }

    /// The single faults that were answered so far.
    pub fn fault_count(&self) -> u64 {
        self.client.fault_count()
    }

    /// The pages that were faulted on, in order of first touch; `None` when it was not recorded.
    pub fn recorded(&self) -> Option<WorkingSet> {
        self.client.recorded()
    }

    fn release_if_whole(&self) {
        if let Memory::Shared(template) = &self.client.memory
            && template.is_whole()
        {
            self.shared().release(&self.client);
        }
    }

    fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.lock())
    }

    fn serve_by(&self, shared: &Arc<Shared>) {
        *self.lock() = Arc::clone(shared);
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Shared>> {
        // It is replaced as a whole, so a panic elsewhere can't have left it half-done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AttachedClone {
    fn drop(&mut self) {
        self.shared().remove(&self.client);
    }
}

async fn lost(shared: &Shared) {
    // An error would mean that the sender is gone, which `shared` holds.
    drop(shared.lost.subscribe().wait_for(|lost| *lost).await);
}
