//! The way to a pool's task.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use thaw_lazymem::ServedClone;
use thaw_vmm::{Engine, Machine};
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{jobs::ReadyShell, task::PoolTask};
use crate::{
    LeaseError, NodeLimits, PoolInfo, PoolSettings, StartKind,
    budget::{Budget, Slot},
    counters::Counters,
    memory::NodeMemory,
    start_gate::StartGate,
    template::LoadedTemplate,
};

/// Requests on their way to the task; the next sender waits.
const COMMANDS: usize = 64;

/// A clone that nobody else has had, paused.
#[derive(Debug)]
pub(crate) struct FreshClone {
    pub(crate) machine: Box<dyn Machine>,
    pub(crate) slot: Slot,
    /// Who serves its pages; none when it needs nobody.
    pub(crate) memory: Option<Arc<ServedClone>>,
    pub(crate) template: Arc<LoadedTemplate>,
    pub(crate) start: StartKind,
    /// What the restore took, where it was done for this caller.
    pub(crate) restore: Duration,
    pub(crate) counted: LeasedCount,
}

/// Counts a clone as leased for as long as it lives.
#[derive(Debug)]
pub(crate) struct LeasedCount(Arc<AtomicU32>);

impl LeasedCount {
    pub(super) fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for LeasedCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) enum Command {
    Lease {
        within: Duration,
        reply: oneshot::Sender<Result<FreshClone, LeaseError>>,
    },
    /// One of the waiting shells, if there is one.
    TakeShell(oneshot::Sender<Option<ReadyShell>>),
    SetBounds(PoolSettings),
    Info(oneshot::Sender<PoolInfo>),
}

/// What a pool works with.
#[derive(Debug, Clone)]
pub(crate) struct PoolSetup {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) memory: NodeMemory,
    pub(crate) limits: NodeLimits,
    pub(crate) budget: Arc<Budget>,
    pub(crate) gate: Arc<StartGate>,
    pub(crate) counters: Arc<Counters>,
    /// Where scratch disks of clones are made; they have no names.
    pub(crate) scratch_folder: PathBuf,
    /// Waits for what a pool leaves to be done in the background.
    pub(crate) tracker: TaskTracker,
    /// Cancelled when the node shuts down.
    pub(crate) stop: CancellationToken,
}

/// A running pool. Its task ends with [`Pool::stop`].
#[derive(Debug)]
pub(crate) struct Pool {
    commands: mpsc::Sender<Command>,
    template: Arc<LoadedTemplate>,
    leased: Arc<AtomicU32>,
    stop: CancellationToken,
}

impl Pool {
    /// Starts a pool's task on `tracker`.
    pub(crate) fn start(
        setup: PoolSetup,
        template: Arc<LoadedTemplate>,
        settings: PoolSettings,
        tracker: &TaskTracker,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let stop = CancellationToken::new();
        let leased = Arc::default();
        let template_of_task = Arc::clone(&template);
        let task = PoolTask::new(
            setup,
            template_of_task,
            settings,
            receiver,
            Arc::clone(&leased),
        );
        let stopped = stop.clone();
        tracker.spawn(async move { task.run(stopped).await });
        Self {
            commands,
            template,
            leased,
            stop,
        }
    }

    pub(crate) fn template(&self) -> &Arc<LoadedTemplate> {
        &self.template
    }

    /// Counts a clone of the template that does not come out of the pool.
    pub(crate) fn count_leased(&self) -> LeasedCount {
        LeasedCount::new(&self.leased)
    }

    /// Waits for a clone.
    ///
    /// # Cancel safety
    /// A clone that was on its way is ended.
    pub(crate) async fn lease(&self, within: Duration) -> Result<FreshClone, LeaseError> {
        let (reply, clone) = oneshot::channel();
        self.send(Command::Lease { within, reply }).await?;
        clone.await.map_err(|_| LeaseError::ShuttingDown)?
    }

    /// Takes a shell that waits, with its room, if there is one; the pool makes another.
    ///
    /// # Cancel safety
    /// A shell that was on its way is ended.
    pub(crate) async fn take_shell(&self) -> Result<Option<ReadyShell>, LeaseError> {
        let (reply, shell) = oneshot::channel();
        self.send(Command::TakeShell(reply)).await?;
        shell.await.map_err(|_| LeaseError::ShuttingDown)
    }

    pub(crate) async fn set_bounds(&self, settings: PoolSettings) -> Result<(), LeaseError> {
        self.send(Command::SetBounds(settings)).await
    }

    /// What the pool is and does; none when it is stopping.
    pub(crate) async fn info(&self) -> Option<PoolInfo> {
        let (reply, info) = oneshot::channel();
        self.send(Command::Info(reply)).await.ok()?;
        info.await.ok()
    }

    /// Ends the task and every VMM that is not leased. Returns at once.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    async fn send(&self, command: Command) -> Result<(), LeaseError> {
        self.commands
            .send(command)
            .await
            .map_err(|_| LeaseError::ShuttingDown)
    }
}
