//! What an engine can do. Phases are types: a shell has no guest yet, a machine can't be restored again.

use std::{fmt, fs::File, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use thaw_guest_protocol::Handover;

use crate::{
    AdoptError, AdoptSpec, BaseMemory, BootSpec, CaptureError, Console, ControlError, EndWatch,
    Frozen, GuestConnection, MachineSnapshot, MemoryFigures, ProcessMark, RestoreError, ShellSpec,
    StartError, VmmEnd, VmmId,
};

/// Which VMM runs a template: part of the template's key, because a device state fits no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EngineIdentity {
    /// `qemu` or `firecracker`.
    pub name: String,
    /// The VMM's own version, such as `7.2.22`.
    pub version: String,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// How the host reaches the agent: `serial` or `vsock`.
    pub transport: String,
    /// The machine that it makes: a digest of processor and devices. Empty in what was frozen before this was
    /// written down.
    #[serde(default)]
    pub machine: String,
}

impl fmt::Display for EngineIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.version, self.accelerator)
    }
}

/// Starts VMMs.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug + 'static {
    /// Which VMM this is.
    fn identity(&self) -> &EngineIdentity;

    /// What the kernel of a guest is told at its boot, but for what differs from one boot to the next: what is frozen
    /// depends on it.
    fn command_line(&self) -> &str;

    /// Boots a machine from its kernel and returns once its agent answers.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the VMM is killed and reaped in the background.
    async fn boot(&self, spec: BootSpec) -> Result<Box<dyn Machine>, StartError>;

    /// Spawns a VMM that waits for a device state and returns once it listens.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the VMM is killed and reaped in the background.
    async fn spawn_shell(&self, spec: ShellSpec) -> Result<Box<dyn Shell>, StartError>;

    /// Takes up a machine that an earlier daemon left running, or that was let go. It outlives this daemon too.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the VMM runs on as it was.
    async fn adopt(&self, spec: AdoptSpec) -> Result<Adopted, AdoptError>;

    /// Ends VMMs of this storage root that an earlier daemon left behind, except those in `keep`;
    /// returns the ids of what was ended.
    async fn end_orphans(&self, keep: &[VmmId]) -> std::io::Result<Vec<VmmId>>;

    /// Resolves when every VMM that was dropped or killed has been reaped.
    async fn settled(&self);
}

/// A VMM process that is spawned and waiting. Dropping it kills the process.
#[async_trait]
pub trait Shell: Send + Sync + fmt::Debug {
    /// The VMM's name.
    fn id(&self) -> &VmmId;

    /// Tells when and how the process ended.
    fn end(&self) -> EndWatch;

    /// Another handle of its scratch disk, which may be written until a restore begins; its length must stay.
    ///
    /// # Errors
    /// When there are no more descriptors.
    fn scratch(&self) -> std::io::Result<File>;

    /// Loads a device state; the machine is left paused.
    ///
    /// # Errors
    /// The VMM is gone then.
    async fn restore(
        self: Box<Self>,
        device_state: Bytes,
        timeout: Duration,
    ) -> Result<Box<dyn Machine>, RestoreError>;

    /// Goes on from a snapshot of a running machine of the same template, whose memory is `base`. The machine is
    /// left paused, its programs at rest until [`Request::Continue`](thaw_guest_protocol::Request::Continue); the
    /// scratch disk must be the snapshot's.
    ///
    /// # Errors
    /// The VMM is gone then.
    async fn restore_snapshot(
        self: Box<Self>,
        base: &BaseMemory,
        snapshot: MachineSnapshot,
        timeout: Duration,
    ) -> Result<Box<dyn Machine>, RestoreError>;
}

/// A machine that was adopted.
#[derive(Debug)]
pub struct Adopted {
    /// The machine. What is asked of its guest waits until the agent has noticed that its host is another.
    pub machine: Box<dyn Machine>,
    /// Whether its CPUs run.
    pub running: bool,
}

/// A machine with a guest in it. Dropping it kills the process, unless it is to outlive its daemon.
#[async_trait]
pub trait Machine: Send + Sync + fmt::Debug {
    /// The VMM's name.
    fn id(&self) -> &VmmId;

    /// Tells when and how the process ended.
    fn end(&self) -> EndWatch;

    /// The way to the agent. Requests may be written while the machine is paused.
    fn guest(&self) -> &GuestConnection;

    /// Stops the guest's CPUs.
    async fn pause(&self) -> Result<(), ControlError>;

    /// Lets the guest's CPUs run.
    async fn resume(&self) -> Result<(), ControlError>;

    /// Closes the guest connection, stops the machine and takes its device state and memory; the
    /// machine can only be killed afterwards. Only for a machine that was booted, whose memory is its own.
    async fn freeze(&mut self) -> Result<Frozen, ControlError>;

    /// Takes what a machine that is paused, and whose programs are at rest with `handover` left to its agent, is.
    /// It stays paused and can go on. At most `limit_bytes` of memory are taken.
    ///
    /// # Errors
    /// The machine is as it was then.
    async fn capture(
        &self,
        base: &BaseMemory,
        handover: Handover,
        limit_bytes: u64,
    ) -> Result<MachineSnapshot, CaptureError>;

    /// Another handle of its scratch disk.
    ///
    /// # Errors
    /// When there are no more descriptors.
    fn scratch(&self) -> std::io::Result<File>;

    /// Makes its scratch disk this large; the guest hears of it while it runs.
    ///
    /// # Errors
    /// The disk is as it was then.
    async fn grow_disk(&self, bytes: u64) -> Result<(), ControlError>;

    /// How a later daemon finds the process.
    ///
    /// # Errors
    /// When it is gone.
    fn mark(&self) -> std::io::Result<ProcessMark>;

    /// From now on the process outlives this value and the daemon: dropped, it is let go and runs on.
    /// [`kill_now`](Self::kill_now) and [`kill`](Self::kill) still end it.
    fn outlive(&self);

    /// Kills the process; [`end`](Self::end) tells when it is reaped.
    fn kill_now(&self);

    /// What the process uses of the host's memory.
    async fn memory(&self) -> std::io::Result<MemoryFigures>;

    /// What the guest says on its console; there is something to it after the machine's end, too.
    fn console(&self) -> Console;

    /// Kills the process and returns when it is reaped.
    async fn kill(self: Box<Self>) -> VmmEnd;
}
