//! Starts machines that are none.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio_util::task::TaskTracker;

use super::machine::{FakeMachine, FakeProcess, FakeShell};
use crate::{
    AdoptError, AdoptSpec, Adopted, BootSpec, EndKind, Engine, EngineIdentity, Machine,
    ProcessMark, Shell, ShellMemory, ShellSpec, StartError, VmmId,
};

/// What the memory of a frozen fake guest begins with.
pub(super) const FROZEN_MARK: &[u8] = b"a fake guest was frozen here";

/// What goes wrong, or takes time, from now on. The counts fall by one with each failure.
#[derive(Debug, Clone, Default)]
pub struct FakeFaults {
    /// The next boots that fail.
    pub boot_failures: u32,
    /// The next spawns of a shell that fail.
    pub spawn_failures: u32,
    /// The next restores that fail.
    pub restore_failures: u32,
    /// The next proofs that fail.
    pub prove_failures: u32,
    /// How long a boot takes.
    pub boot_delay: Duration,
    /// How long a spawn takes.
    pub spawn_delay: Duration,
    /// How long a restore takes.
    pub restore_delay: Duration,
    /// How long a proof takes.
    pub prove_delay: Duration,
    /// How long a guest takes to power off.
    pub shutdown_delay: Duration,
    /// How much of a guest's memory holds data when it is frozen.
    pub frozen_data_bytes: u64,
}

/// The fake engine; clones share their machines.
#[derive(Clone)]
pub struct FakeEngine {
    identity: EngineIdentity,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    faults: Mutex<FakeFaults>,
    live: Mutex<BTreeMap<VmmId, Arc<FakeProcess>>>,
    /// Of the next process.
    next_pid: AtomicU32,
    /// How often the host was booted.
    boots: AtomicU32,
    pub(super) tracker: TaskTracker,
}

impl fmt::Debug for FakeEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeEngine")
            .field("live", &self.live())
            .finish()
    }
}

impl Default for FakeEngine {
    fn default() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            identity: EngineIdentity {
                name: text("fake"),
                version: text("1"),
                accelerator: text("none"),
                transport: text("serial"),
                machine: text("fake"),
            },
            shared: Arc::new(Shared {
                faults: Mutex::default(),
                live: Mutex::default(),
                next_pid: AtomicU32::new(1),
                boots: AtomicU32::new(1),
                tracker: TaskTracker::new(),
            }),
        }
    }
}

impl FakeEngine {
    /// An engine whose device states fit no other version.
    pub fn of_version(version: &str) -> Self {
        let mut engine = Self::default();
        engine.identity.version = version.to_owned();
        engine
    }

    /// Changes what goes wrong from now on.
    pub fn faults(&self, change: impl FnOnce(&mut FakeFaults)) {
        change(&mut lock(&self.shared.faults));
    }

    /// The VMMs that are there, in order of their names.
    pub fn live(&self) -> Vec<VmmId> {
        lock(&self.shared.live).keys().cloned().collect()
    }

    /// Ends a VMM as `kill -9` does; unknown names are ignored.
    pub fn kill(&self, id: &VmmId) {
        let process = lock(&self.shared.live).get(id).cloned();
        if let Some(process) = process {
            process.end(EndKind::Signaled(9), "");
        }
    }

    /// Ends every VMM as a reboot of the host does; marks of processes are of another boot from now on.
    pub fn reboot(&self) {
        for id in self.live() {
            self.kill(&id);
        }
        self.shared.boots.fetch_add(1, Ordering::Relaxed);
    }

    fn spawn_process(&self, id: VmmId, scratch: File) -> Arc<FakeProcess> {
        let pid = self.shared.next_pid.fetch_add(1, Ordering::Relaxed);
        let mark = ProcessMark {
            pid,
            start_ticks: u64::from(pid),
            boot_id: self.shared.boots.load(Ordering::Relaxed).to_string(),
            place: pid,
        };
        let engine = Arc::downgrade(&self.shared);
        let process = Arc::new(FakeProcess::new(id.clone(), mark, scratch, engine));
        lock(&self.shared.live).insert(id, Arc::clone(&process));
        process
    }
}

impl Shared {
    pub(super) fn forget(&self, id: &VmmId) {
        lock(&self.live).remove(id);
    }

    pub(super) fn now(&self) -> FakeFaults {
        lock(&self.faults).clone()
    }

    /// Whether this time is one of the failures that were asked for.
    pub(super) fn fails(&self, count: impl FnOnce(&mut FakeFaults) -> &mut u32) -> bool {
        let mut faults = lock(&self.faults);
        let left = count(&mut faults);
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        fails
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every update is one call, so a panic elsewhere can't have left it half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets time pass, real or paused.
pub(super) async fn pass(time: Duration) {
    if !time.is_zero() {
        let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
    }
}

#[async_trait]
impl Engine for FakeEngine {
    fn identity(&self) -> &EngineIdentity {
        &self.identity
    }

    fn command_line(&self) -> &str {
        ""
    }

    async fn boot(&self, spec: BootSpec) -> Result<Box<dyn Machine>, StartError> {
        pass(self.shared.now().boot_delay).await;
        if self.shared.fails(|faults| &mut faults.boot_failures) {
            return Err(injected("boot"));
        }
        let process = self.spawn_process(spec.id, spec.scratch);
        let machine = FakeMachine::booted(process, &self.shared, spec.shape);
        machine.resume().await?;
        Ok(Box::new(machine))
    }

    async fn spawn_shell(&self, spec: ShellSpec) -> Result<Box<dyn Shell>, StartError> {
        let process = self.spawn_process(spec.id, spec.scratch);
        // Owned from here on: a caller that leaves ends it.
        let shell = FakeShell::new(process, &self.shared);
        pass(self.shared.now().spawn_delay).await;
        if self.shared.fails(|faults| &mut faults.spawn_failures) {
            return Err(injected("spawn"));
        }
        let mark = beginning(&spec.memory).map_err(|source| StartError::Prepare {
            what: "memory",
            source,
        })?;
        if mark != FROZEN_MARK {
            return Err(StartError::Prepare {
                what: "memory",
                source: io::Error::other("it is not that of a frozen guest"),
            });
        }
        Ok(Box::new(shell))
    }

    async fn adopt(&self, spec: AdoptSpec) -> Result<Adopted, AdoptError> {
        let process = lock(&self.shared.live).get(&spec.id).cloned();
        let process = process.filter(|process| *process.mark() == spec.mark);
        let process = process.ok_or(AdoptError::Gone)?;
        let running = process.runs();
        let machine = Box::new(FakeMachine::adopted(process, &self.shared));
        Ok(Adopted { machine, running })
    }

    async fn end_orphans(&self, keep: &[VmmId]) -> io::Result<Vec<VmmId>> {
        let orphans: Vec<_> = self
            .live()
            .into_iter()
            .filter(|id| !keep.contains(id))
            .collect();
        for id in &orphans {
            self.kill(id);
        }
        Ok(orphans)
    }

    async fn settled(&self) {
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
        self.shared.tracker.reopen();
    }
}

/// What a guest would find at the start of its memory.
fn beginning(memory: &ShellMemory) -> io::Result<[u8; FROZEN_MARK.len()]> {
    let mut mark = [0; FROZEN_MARK.len()];
    match memory {
        // Not through the source: whatever is not in the memfd is not there for a clone.
        ShellMemory::Whole(template) => {
            File::from(template.fd().try_clone_to_owned()?).read_exact_at(&mut mark, 0)?;
        }
        ShellMemory::File(source) => source
            .file()
            .read_exact_at(&mut mark, source.data_offset())?,
        ShellMemory::Lazy { .. } => {
            return Err(io::Error::other("a fake VMM has no userfaultfd"));
        }
    }
    Ok(mark)
}

fn injected(what: &'static str) -> StartError {
    StartError::Prepare {
        what,
        source: io::Error::other("a fault was injected"),
    }
}
