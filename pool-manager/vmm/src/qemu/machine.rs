//! A QEMU with a guest in it.

use std::{fs::File, io, os::fd::AsFd as _, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use nix::fcntl::OFlag;
use serde_json::{Value, json};
use thaw_guest_protocol::Handover;
use thaw_lazymem::{Delta, DirtyError, GuestMemory, open_own_memory};
use tokio::{
    io::AsyncReadExt as _,
    net::{UnixStream, unix::pipe},
    sync::watch,
};

use super::{
    adopt::Found,
    argv::fd,
    launch::{Agent, Launched, name},
    qmp::Qmp,
};
use crate::{
    BaseMemory, CaptureError, Console, ControlError, EndWatch, Frozen, GuestConnection, Machine,
    MachineSnapshot, MemoryFigures, ProcessMark, VmmEnd, VmmId, process::Process,
};

/// How long the guest may take to notice that its connection was closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a guest is given before a freeze to see its next host and to do what its kernel has put off.
const SETTLE: Duration = Duration::from_millis(50);

/// How long saving a device state may take.
const SAVE_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest device state that is believed; it is about 64 KB.
const MAX_STATE_BYTES: u64 = 64 << 20;

/// A QEMU with a guest in it.
#[derive(Debug)]
pub(super) struct QemuMachine {
    process: Process,
    qmp: Qmp,
    guest: GuestConnection,
    over_serial: bool,
    scratch: File,
    /// Only a machine that was booted has memory of its own.
    memory: Option<File>,
    /// Whether the CPUs run, as far as we have asked for it.
    running: watch::Sender<bool>,
}

impl QemuMachine {
    pub(super) fn booted(launched: Launched, scratch: File, memory: File) -> Self {
        Self::new(launched, scratch, Some(memory), None)
    }

    /// `left` is the word that its agent waits for, where it is a copy of a running machine.
    pub(super) fn restored(launched: Launched, scratch: File, left: Option<Handover>) -> Self {
        Self::new(launched, scratch, None, left)
    }

    fn new(
        launched: Launched,
        scratch: File,
        memory: Option<File>,
        left: Option<Handover>,
    ) -> Self {
        let running = memory.is_some();
        Self {
            process: launched.process,
            qmp: launched.qmp,
            over_serial: matches!(launched.agent, Agent::Serial(_)),
            guest: launched.agent.connect(left),
            scratch,
            memory,
            running: watch::Sender::new(running),
        }
    }

    /// Takes up what an earlier daemon left.
    pub(super) fn adopted(found: Found, scratch: File) -> Self {
        let running = watch::Sender::new(found.running);
        Self {
            over_serial: found.over_serial(),
            guest: found.reach_agent(running.subscribe()),
            process: found.process,
            qmp: found.qmp,
            scratch,
            memory: None,
            running,
        }
    }

    /// Closes the connection and waits until the agent has opened its port anew, so that no clone
    /// starts with half of this session in its memory.
    async fn hang_up(&mut self) -> Result<(), ControlError> {
        let mut announced = self.qmp.announced();
        let changes = announced.borrow_and_update().port_changes;
        self.guest.close();
        if !self.over_serial {
            // The load resets every vsock connection in the guest.
            return Ok(());
        }
        let reopened =
            announced.wait_for(|now| now.port_changes > changes && now.port_open == Some(true));
        tokio::time::timeout(CLOSE_TIMEOUT, reopened)
            .await
            .map_err(|_| ControlError::TimedOut {
                command: "closing the guest connection",
                timeout: CLOSE_TIMEOUT,
            })?
            .map_err(|_| ControlError::Closed)?;
        Ok(())
    }

    /// Connects to the agent's port as the next host will, and says nothing. The state that is saved has its host
    /// connected then, so no clone begins with the news that one has come (`virtio_serial_post_load_timer_cb`
    /// of QEMU's hw/char/virtio-serial-bus.c). A guest that has not yet heard it when it is frozen hears it thawed.
    async fn knock(&self) -> Result<Option<UnixStream>, ControlError> {
        if !self.over_serial {
            return Ok(None);
        }
        let connected = self.process.folder().connect(name::AGENT);
        // Nothing tells that the agent has taken notice.
        let _ = tokio::time::timeout(SETTLE, std::future::pending::<()>()).await;
        connected.map(Some).map_err(ControlError::Io)
    }

    /// What the guest wrote. Blocks: about 1 ms for each MiB.
    fn take_delta(
        pid: u32,
        own: Option<File>,
        base: &BaseMemory,
        limit_bytes: u64,
    ) -> Result<Delta, CaptureError> {
        let source = base.source();
        match own {
            Some(memory) => Delta::of_file(&memory, source, limit_bytes),
            // The process is reaped by a task of ours, and its number can't be another's within one call.
            None => match base.guest_memory(pid.cast_signed()) {
                Err(DirtyError::NotMapped(_)) => {
                    adopted_delta(pid.cast_signed(), base, limit_bytes)
                }
                found => found.and_then(|found| found.take_delta(source, limit_bytes)),
            },
        }
        .map_err(CaptureError::Memory)
    }

    async fn device_state(&self) -> Result<Bytes, ControlError> {
        tokio::time::timeout(SAVE_TIMEOUT, self.save_device_state())
            .await
            .map_err(|_| ControlError::TimedOut {
                command: "migrate",
                timeout: SAVE_TIMEOUT,
            })?
    }

    async fn save_device_state(&self) -> Result<Bytes, ControlError> {
        let (reader, writer) =
            nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| ControlError::Io(errno.into()))?;
        let reader = pipe::Receiver::from_owned_fd(reader).map_err(ControlError::Io)?;
        self.qmp
            .command(
                "migrate-set-capabilities",
                json!({ "capabilities": [
                    { "capability": "events", "state": true },
                    { "capability": "x-ignore-shared", "state": true },
                ]}),
            )
            .await?;
        self.qmp
            .command_with_fd("getfd", json!({ "fdname": "device-state" }), writer.as_fd())
            .await?;
        drop(writer);
        let mut announced = self.qmp.announced();
        let before = announced.borrow_and_update().migrations;
        let mut state = Vec::with_capacity(128 * 1024);
        let mut limited = reader.take(MAX_STATE_BYTES);
        let (started, read) = tokio::join!(
            self.qmp
                .command("migrate", json!({ "uri": "fd:device-state" })),
            limited.read_to_end(&mut state)
        );
        started?;
        read.map_err(ControlError::Io)?;
        let done = announced
            .wait_for(|now| now.migrations > before)
            .await
            .map_err(|_| ControlError::Closed)?;
        match done.migration.as_deref() {
            Some("completed") => Ok(state.into()),
            _ => Err(ControlError::Refused {
                command: "migrate",
                message: "saving the device state failed".to_owned(),
            }),
        }
    }
}

/// What a machine wrote that was adopted. It maps what an earlier daemon had made of the same template, perhaps
/// in another way; or it was booted, and its memory is its own.
fn adopted_delta(pid: i32, base: &BaseMemory, limit_bytes: u64) -> Result<Delta, DirtyError> {
    let (source, guest_bytes) = (base.source(), base.source().len_bytes());
    match GuestMemory::find_by_length(pid, guest_bytes) {
        Err(DirtyError::NotMapped(_)) => {
            let own = open_own_memory(pid, fd::MEMORY, guest_bytes)?;
            Delta::of_file(&own, source, limit_bytes)
        }
        found => found?.take_delta(source, limit_bytes),
    }
}

#[async_trait]
impl Machine for QemuMachine {
    fn id(&self) -> &VmmId {
        self.process.id()
    }

    fn end(&self) -> EndWatch {
        self.process.end()
    }

    fn guest(&self) -> &GuestConnection {
        &self.guest
    }

    async fn pause(&self) -> Result<(), ControlError> {
        self.qmp.command("stop", Value::Null).await?;
        self.running.send_replace(false);
        Ok(())
    }

    async fn resume(&self) -> Result<(), ControlError> {
        self.qmp.command("cont", Value::Null).await?;
        self.running.send_replace(true);
        Ok(())
    }

    async fn freeze(&mut self) -> Result<Frozen, ControlError> {
        let memory = self
            .memory
            .as_ref()
            .ok_or(ControlError::State(
                "only a machine that was booted can be frozen into a template",
            ))?
            .try_clone()
            .map_err(ControlError::Io)?;
        self.hang_up().await?;
        let _next = self.knock().await?;
        self.pause().await?;
        let device_state = self.device_state().await?;
        Ok(Frozen {
            device_state,
            memory,
        })
    }

    async fn capture(
        &self,
        base: &BaseMemory,
        handover: Handover,
        limit_bytes: u64,
    ) -> Result<MachineSnapshot, CaptureError> {
        let device_state = self.device_state().await?;
        let own = self.memory.as_ref().map(File::try_clone).transpose();
        let own = own.map_err(CaptureError::OwnMemory)?;
        let (pid, base) = (self.process.pid(), base.clone());
        let taking =
            tokio::task::spawn_blocking(move || Self::take_delta(pid, own, &base, limit_bytes));
        let delta = taking
            .await
            .map_err(|error| CaptureError::OwnMemory(io::Error::other(error)))??;
        Ok(MachineSnapshot {
            device_state,
            delta: Arc::new(delta),
            handover,
        })
    }

    fn scratch(&self) -> io::Result<File> {
        self.scratch.try_clone()
    }

    async fn grow_disk(&self, bytes: u64) -> Result<(), ControlError> {
        let size = json!({ "node-name": "scratch", "size": bytes });
        self.qmp.command("block_resize", size).await?;
        Ok(())
    }

    fn mark(&self) -> io::Result<ProcessMark> {
        self.process.mark()
    }

    fn outlive(&self) {
        self.process.outlive();
    }

    fn kill_now(&self) {
        self.process.kill_now();
    }

    async fn memory(&self) -> io::Result<MemoryFigures> {
        let pid = self.process.pid();
        tokio::task::spawn_blocking(move || MemoryFigures::of(pid))
            .await
            .map_err(io::Error::other)?
    }

    fn console(&self) -> Console {
        self.process.console()
    }

    async fn kill(self: Box<Self>) -> VmmEnd {
        self.process.kill().await
    }
}
