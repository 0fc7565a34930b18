//! The page server of a node, which outlives the loss of its threads.
//!
//! ```text
//!            serve ──► attached ──────────────────────────► independent
//! server lost (a thread panicked) │  ▲
//!            clones wait at faults└──┘ the next server takes them over and completes what was asked for
//!                                      more than 3 times: the clone is given up, its owner ends it
//! ```

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{AttachError, AttachedClone, Memory, PageServer, QueueFull, Recording, ServeError};
use crate::{Arrival, TemplateMemory, WorkingSet};

/// Clones on their way to the service; the next one waits.
const WAITING: usize = 64;

/// A clone that has lost more servers than this is probably what ends them.
const MOST_TAKE_OVERS: u32 = 3;

/// How long after a server that could not be started the next try comes: the kernel had no thread or
/// no descriptor, and doesn't tell when it has one.
const RETRY: Duration = Duration::from_millis(500);

/// The way to the node's page server. Cheap to clone; when the last one is dropped, the service ends.
#[derive(Debug, Clone)]
pub struct PageService {
    wishes: mpsc::Sender<Wish>,
    restarts: Arc<AtomicU64>,
}

/// A clone of a template that is not yet whole, and who serves it. Whoever holds this holds the
/// clone's pages, as with an [`AttachedClone`].
#[derive(Debug)]
pub struct ServedClone {
    clone: AttachedClone,
    take_overs: AtomicU32,
    completing: AtomicBool,
    /// Counts servers; closed when the service has ended.
    generation: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Wish {
    arrival: Arrival,
    template: Arc<TemplateMemory>,
    recording: Recording,
    reply: oneshot::Sender<Result<Arc<ServedClone>, AttachError>>,
}

/// Owns the server; the only one that starts one or gives clones to it.
#[derive(Debug)]
struct Supervisor {
    wishes: mpsc::Receiver<Wish>,
    /// `None` when it was lost and the next one could not be started yet.
    server: Option<PageServer>,
    /// As many as a server has room for, and those that are gone since the last wish.
    clones: Vec<Weak<ServedClone>>,
    generation: watch::Sender<u64>,
    restarts: Arc<AtomicU64>,
}

impl PageService {
    /// Starts a page server. The future keeps it alive, to be spawned by whoever owns the service; it
    /// ends when the last `PageService` is dropped.
    ///
    /// # Errors
    /// When the kernel gives no thread, no epoll or no eventfd.
    pub fn start() -> io::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let (sender, wishes) = mpsc::channel(WAITING);
        let restarts = Arc::new(AtomicU64::new(0));
        let supervisor = Supervisor {
            wishes,
            server: Some(PageServer::start()?),
            clones: Vec::new(),
            generation: watch::Sender::new(0),
            restarts: Arc::clone(&restarts),
        };
        let service = Self {
            wishes: sender,
            restarts,
        };
        Ok((service, supervisor.run()))
    }

    /// Serves a clone that maps `template` privately.
    ///
    /// # Errors
    /// When there is no room, the regions are not the template's, or no server can be had.
    ///
    /// # Cancel safety
    /// The clone is not served.
    pub async fn serve(
        &self,
        arrival: Arrival,
        template: Arc<TemplateMemory>,
        recording: Recording,
    ) -> Result<Arc<ServedClone>, AttachError> {
        let (reply, answer) = oneshot::channel();
        let wish = Wish {
            arrival,
            template,
            recording,
            reply,
        };
        let sent = self.wishes.send(wish).await;
        sent.map_err(|_| AttachError::ServerLost)?;
        answer.await.map_err(|_| AttachError::ServerLost)?
    }

    /// How often a server was lost and replaced.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }
}

impl ServedClone {
    /// See [`AttachedClone::map_working_set`].
    ///
    /// # Errors
    /// As there.
    pub fn map_working_set(&self, set: &WorkingSet) -> Result<u64, ServeError> {
        self.clone.map_working_set(set)
    }

    /// See [`AttachedClone::complete`]; also of the servers that take the clone over.
    ///
    /// # Errors
    /// As there; a server that is lost at this moment is no error.
    pub fn complete(&self) -> Result<(), QueueFull> {
        // First remembered, then asked: whichever server comes next sees it.
        self.completing.store(true, Ordering::Release);
        match self.clone.complete() {
            Err(_) if self.clone.is_server_lost() => Ok(()),
            asked => asked,
        }
    }

    /// Resolves when the clone needs nobody any more, however many servers are lost meanwhile. Nothing
    /// about the clone is to be promised to a user before that.
    ///
    /// # Errors
    /// When the clone can't become independent and must be ended.
    ///
    /// # Cancel safety
    /// Holds no state of its own.
    pub async fn independent(&self) -> Result<(), ServeError> {
        let mut generation = self.generation.clone();
        loop {
            generation.mark_unchanged();
            match self.clone.independent().await {
                Err(ServeError::ServerLost) => self.next_server(&mut generation).await?,
                settled => return settled,
            }
        }
    }

    /// Resolves with the reason when the clone must be ended, and never for one that need not be.
    ///
    /// # Cancel safety
    /// Holds no state of its own.
    pub async fn failed(&self) -> ServeError {
        match self.independent().await {
            Err(error) => error,
            Ok(()) => std::future::pending().await,
        }
    }

    /// Whether the clone needs the page server no more.
    pub fn is_independent(&self) -> bool {
        self.clone.is_independent()
    }

    /// The single faults that were answered so far.
    pub fn fault_count(&self) -> u64 {
        self.clone.fault_count()
    }

    /// The pages that were faulted on, in order of first touch; `None` when it was not recorded, or
    /// when a server was lost meanwhile and the recording may lack pages.
    pub fn recorded(&self) -> Option<WorkingSet> {
        if self.take_overs.load(Ordering::Acquire) > 0 {
            return None;
        }
        self.clone.recorded()
    }

    async fn next_server(&self, generation: &mut watch::Receiver<u64>) -> Result<(), ServeError> {
        // Counted by the supervisor before it tells of a new server.
        let given_up = || self.take_overs.load(Ordering::Acquire) > MOST_TAKE_OVERS;
        if given_up() || generation.changed().await.is_err() || given_up() {
            return Err(ServeError::ServerLost);
        }
        Ok(())
    }
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            match &self.server {
                Some(server) => tokio::select! {
                    biased;
                    () = server.lost() => self.replace().await,
                    wish = self.wishes.recv() => match wish {
                        Some(wish) => self.fulfil(wish).await,
                        None => break,
                    },
                },
                None => match tokio::time::timeout(RETRY, self.wishes.recv()).await {
                    Ok(Some(wish)) => self.fulfil(wish).await,
                    Ok(None) => break,
                    Err(_) => self.start(),
                },
            }
        }
        self.end_server().await;
    }

    async fn fulfil(&mut self, wish: Wish) {
        if self.server.as_ref().is_none_or(PageServer::is_lost) {
            self.replace().await;
        }
        self.clones.retain(|clone| clone.strong_count() > 0);
        let served = self.serve(wish.arrival, wish.template, wish.recording);
        // Who has left in between drops the clone.
        let _ = wish.reply.send(served);
    }

    fn serve(
        &mut self,
        arrival: Arrival,
        template: Arc<TemplateMemory>,
        recording: Recording,
    ) -> Result<Arc<ServedClone>, AttachError> {
        let server = self.server.as_ref().ok_or(AttachError::ServerLost)?;
        let served = Arc::new(ServedClone {
            clone: server.attach(arrival, Memory::Shared(template), recording)?,
            take_overs: AtomicU32::new(0),
            completing: AtomicBool::new(false),
            generation: self.generation.subscribe(),
        });
        self.clones.push(Arc::downgrade(&served));
        Ok(served)
    }

    async fn replace(&mut self) {
        tracing::error!("the page server was lost; another one takes its clones over");
        self.restarts.fetch_add(1, Ordering::Relaxed);
        self.end_server().await;
        self.start();
    }

    /// Starts a server and gives it every clone that is not independent.
    fn start(&mut self) {
        let server = match PageServer::start() {
            Ok(server) => server,
            Err(error) => {
                tracing::error!(%error, "no page server can be started; clones wait");
                return;
            }
        };
        for served in self.clones.iter().filter_map(Weak::upgrade) {
            if served.is_independent() {
                continue;
            }
            let times = 1 + served.take_overs.fetch_add(1, Ordering::AcqRel);
            if times > MOST_TAKE_OVERS {
                tracing::warn!("a clone has lost {times} page servers and is given up");
                continue;
            }
            let taken = server.take_over(&served.clone);
            let asked = served.completing.load(Ordering::Acquire);
            if let Err(error) = taken {
                tracing::warn!(%error, "a clone could not be taken over and is given up");
                served
                    .take_overs
                    .store(MOST_TAKE_OVERS + 1, Ordering::Release);
            } else if asked && served.clone.complete().is_err() {
                tracing::warn!("too many templates wait to be completed");
            }
        }
        self.server = Some(server);
        self.generation.send_modify(|number| *number += 1);
    }

    /// Joins the server's threads, which may be in the middle of reading a chunk.
    async fn end_server(&mut self) {
        if let Some(server) = self.server.take() {
            // A panic in there was reported where it happened.
            let _ = tokio::task::spawn_blocking(move || drop(server)).await;
        }
    }
}
