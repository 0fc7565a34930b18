//! Shells and machines that are tasks.

use std::{
    fmt,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use nix::sys::memfd::{MFdFlags, memfd_create};
use thaw_guest_protocol::Handover;
use thaw_lazymem::{Delta, DirtyError, Extent, PAGE_BYTES};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    agent::serve,
    engine::{FROZEN_MARK, Shared, pass},
};
use crate::{
    BaseMemory, CaptureError, Console, ControlError, EndKind, EndWatch, Frozen, GuestConnection,
    Machine, MachineSnapshot, MemoryFigures, ProcessMark, RestoreError, Shape, Shell, VmmEnd,
    VmmId, end::EndSender,
};

/// The device state of every frozen fake machine.
const DEVICE_STATE: &[u8] = b"fake device state, version 1";

/// What a connection holds in each direction.
const CONNECTION_BYTES: usize = 64 * 1024;

/// Stands for the process of one VMM, and for all that its guest holds.
pub(super) struct FakeProcess {
    id: VmmId,
    mark: ProcessMark,
    ended: EndSender,
    watch: EndWatch,
    /// Cancelled when it ends.
    pub(super) gone: CancellationToken,
    engine: Weak<Shared>,
    running: watch::Sender<bool>,
    /// The guest's disk.
    pub(super) scratch: File,
    /// What the last wake made of the guest's name.
    pub(super) hostname: watch::Sender<String>,
    /// What it says on its console.
    console: Console,
    /// What a program of the guest keeps in memory.
    pub(super) remembered: watch::Sender<String>,
}

impl FakeProcess {
    pub(super) fn new(id: VmmId, mark: ProcessMark, scratch: File, engine: Weak<Shared>) -> Self {
        let (ended, watch) = EndSender::new();
        Self {
            id,
            mark,
            ended,
            watch,
            gone: CancellationToken::new(),
            engine,
            running: watch::Sender::new(false),
            scratch,
            hostname: watch::Sender::new("frozen".to_owned()),
            console: Console::default(),
            remembered: watch::Sender::new(String::new()),
        }
    }

    pub(super) fn mark(&self) -> &ProcessMark {
        &self.mark
    }

    pub(super) fn runs(&self) -> bool {
        *self.running.borrow()
    }

    /// Only the first end counts.
    pub(super) fn end(&self, kind: EndKind, console: &str) {
        if self.gone.is_cancelled() {
            return;
        }
        self.gone.cancel();
        self.console.push(console.as_bytes());
        self.console.end();
        if let Some(engine) = self.engine.upgrade() {
            engine.forget(&self.id);
        }
        self.ended.send(VmmEnd {
            kind,
            stderr: String::new(),
            console: console.to_owned(),
        });
    }
}

impl fmt::Debug for FakeProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FakeProcess").field(&self.id).finish()
    }
}

/// Owns a process: it ends when this is dropped, unless it is to outlive it.
#[derive(Debug)]
struct Owned {
    process: Arc<FakeProcess>,
    outlives: AtomicBool,
}

impl Owned {
    fn new(process: Arc<FakeProcess>) -> Self {
        Self {
            process,
            outlives: AtomicBool::new(false),
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.outlives.load(Ordering::Relaxed) {
            self.process.end(EndKind::Killed, "");
        }
    }
}

pub(super) struct FakeShell {
    process: Owned,
    engine: Arc<Shared>,
}

impl fmt::Debug for FakeShell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FakeShell").field(&self.process).finish()
    }
}

impl FakeShell {
    pub(super) fn new(process: Arc<FakeProcess>, engine: &Arc<Shared>) -> Self {
        Self {
            process: Owned::new(process),
            engine: Arc::clone(engine),
        }
    }
}

#[async_trait]
impl Shell for FakeShell {
    fn id(&self) -> &VmmId {
        &self.process.process.id
    }

    fn end(&self) -> EndWatch {
        self.process.process.watch.clone()
    }

    fn scratch(&self) -> io::Result<File> {
        self.process.process.scratch.try_clone()
    }

    async fn restore(
        self: Box<Self>,
        device_state: Bytes,
        timeout: Duration,
    ) -> Result<Box<dyn Machine>, RestoreError> {
        let mut end = self.end();
        let delay = self.engine.now().restore_delay;
        if tokio::time::timeout(delay.min(timeout), end.wait())
            .await
            .is_ok()
            || end.now().is_some()
        {
            return Err(RestoreError::Ended(end.wait().await));
        }
        if delay > timeout {
            return Err(RestoreError::TimedOut(timeout));
        }
        if self.engine.fails(|faults| &mut faults.restore_failures) {
            return Err(RestoreError::Refused("a fault was injected".to_owned()));
        }
        if device_state != DEVICE_STATE {
            return Err(RestoreError::Refused(
                "this is no fake device state".to_owned(),
            ));
        }
        Ok(Box::new(FakeMachine::new(self.process, &self.engine, None)))
    }

    async fn restore_snapshot(
        self: Box<Self>,
        _base: &BaseMemory,
        snapshot: MachineSnapshot,
        timeout: Duration,
    ) -> Result<Box<dyn Machine>, RestoreError> {
        let remembered = recall(&snapshot.delta)
            .ok_or_else(|| RestoreError::Refused("this is no fake memory".to_owned()))?;
        self.process.process.remembered.send_replace(remembered);
        self.restore(snapshot.device_state, timeout).await
    }
}

pub(super) struct FakeMachine {
    process: Owned,
    guest: GuestConnection,
    engine: Arc<Shared>,
    /// Only a machine that was booted can be frozen.
    shape: Option<Shape>,
}

impl fmt::Debug for FakeMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FakeMachine").field(&self.process).finish()
    }
}

impl FakeMachine {
    pub(super) fn booted(process: Arc<FakeProcess>, engine: &Arc<Shared>, shape: Shape) -> Self {
        Self::new(Owned::new(process), engine, Some(shape))
    }

    pub(super) fn adopted(process: Arc<FakeProcess>, engine: &Arc<Shared>) -> Self {
        let machine = Self::new(Owned::new(process), engine, None);
        machine.outlive();
        machine
    }

    fn new(owned: Owned, engine: &Arc<Shared>, shape: Option<Shape>) -> Self {
        let (host, guest) = tokio::io::duplex(CONNECTION_BYTES);
        let process = Arc::clone(&owned.process);
        let runs = process.running.subscribe();
        let gone = process.gone.clone();
        let agent = serve(guest, runs, process, Arc::clone(engine));
        engine.tracker.spawn(async move {
            gone.run_until_cancelled(agent).await;
        });
        Self {
            guest: GuestConnection::new(host),
            process: owned,
            engine: Arc::clone(engine),
            shape,
        }
    }

    fn set_running(&self, runs: bool) -> Result<(), ControlError> {
        if self.process.process.gone.is_cancelled() {
            return Err(ControlError::Closed);
        }
        self.process.process.running.send_replace(runs);
        Ok(())
    }
}

#[async_trait]
impl Machine for FakeMachine {
    fn id(&self) -> &VmmId {
        &self.process.process.id
    }

    fn end(&self) -> EndWatch {
        self.process.process.watch.clone()
    }

    fn guest(&self) -> &GuestConnection {
        &self.guest
    }

    async fn pause(&self) -> Result<(), ControlError> {
        self.set_running(false)
    }

    async fn resume(&self) -> Result<(), ControlError> {
        self.set_running(true)
    }

    async fn freeze(&mut self) -> Result<Frozen, ControlError> {
        let shape = self.shape.ok_or(ControlError::State(
            "only a machine that was booted can be frozen into a template",
        ))?;
        self.guest.close();
        self.set_running(false)?;
        let data_bytes = self.engine.now().frozen_data_bytes;
        let memory = frozen_memory(shape.memory_bytes(), data_bytes).map_err(ControlError::Io)?;
        // Freezing takes a moment, so that a caller can leave in the middle of it.
        pass(Duration::from_millis(1)).await;
        Ok(Frozen {
            device_state: Bytes::from_static(DEVICE_STATE),
            memory,
        })
    }

    async fn capture(
        &self,
        base: &BaseMemory,
        handover: Handover,
        limit_bytes: u64,
    ) -> Result<MachineSnapshot, CaptureError> {
        if self.process.process.runs() {
            return Err(
                ControlError::State("only a machine that is paused can be captured").into(),
            );
        }
        if self.process.process.gone.is_cancelled() {
            return Err(ControlError::Closed.into());
        }
        let remembered = self.process.process.remembered.borrow().clone();
        let delta = memory_of(&remembered, base.source().len_bytes());
        let found_bytes = delta.bytes().len() as u64;
        if found_bytes > limit_bytes {
            return Err(CaptureError::Memory(DirtyError::TooLarge {
                found_bytes,
                limit_bytes,
            }));
        }
        // Capturing takes a moment, so that a caller can leave in the middle of it.
        pass(Duration::from_millis(1)).await;
        Ok(MachineSnapshot {
            device_state: Bytes::from_static(DEVICE_STATE),
            delta: Arc::new(delta),
            handover,
        })
    }

    fn scratch(&self) -> io::Result<File> {
        self.process.process.scratch.try_clone()
    }

    async fn grow_disk(&self, bytes: u64) -> Result<(), ControlError> {
        self.process
            .process
            .scratch
            .set_len(bytes)
            .map_err(ControlError::Io)
    }

    fn mark(&self) -> io::Result<ProcessMark> {
        Ok(self.process.process.mark.clone())
    }

    fn outlive(&self) {
        self.process.outlives.store(true, Ordering::Relaxed);
    }

    fn kill_now(&self) {
        self.process.process.end(EndKind::Killed, "");
    }

    async fn memory(&self) -> io::Result<MemoryFigures> {
        Ok(MemoryFigures::default())
    }

    fn console(&self) -> Console {
        self.process.process.console.clone()
    }

    async fn kill(self: Box<Self>) -> VmmEnd {
        let mut watch = self.end();
        self.kill_now();
        let end = watch.wait().await;
        VmmEnd::clone(&end)
    }
}

fn frozen_memory(length: u64, data_bytes: u64) -> io::Result<File> {
    let file = File::from(memfd_create("thaw-fake", MFdFlags::MFD_CLOEXEC)?);
    file.set_len(length)?;
    let chunk = vec![0x5a; 1 << 20];
    let mut offset = 0;
    while offset < data_bytes.min(length) {
        let size = (data_bytes.min(length) - offset).min(chunk.len() as u64);
        file.write_all_at(&chunk[..size as usize], offset)?;
        offset += size;
    }
    file.write_all_at(FROZEN_MARK, 0)?;
    Ok(file)
}

/// What a guest remembers takes its second page: the length, then the text as far as there is room.
fn memory_of(remembered: &str, guest_bytes: u64) -> Delta {
    let mut page = vec![0; PAGE_BYTES as usize];
    let text = &remembered.as_bytes()[..remembered.len().min(page.len() - 2)];
    page[..2].copy_from_slice(&(text.len() as u16).to_le_bytes());
    page[2..2 + text.len()].copy_from_slice(text);
    let extent = Extent {
        offset: PAGE_BYTES,
        len: PAGE_BYTES,
    };
    Delta::new(guest_bytes, vec![extent], page).unwrap_or_else(|| Delta::empty(guest_bytes))
}

fn recall(delta: &Delta) -> Option<String> {
    let [low, high, text @ ..] = delta.bytes() else {
        return None;
    };
    let text = text.get(..u16::from_le_bytes([*low, *high]) as usize)?;
    String::from_utf8(text.to_vec()).ok()
}
