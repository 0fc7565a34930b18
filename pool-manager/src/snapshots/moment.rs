//! Taking what a leased VM is at one moment.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use thaw_vmm::{
    BaseMemory, CaptureError, DiskMoment, Machine, MachineSnapshot,
    protocol::{HANDOVER_BYTES, Handover},
};
use tokio::sync::OwnedSemaphorePermit;

use super::store::SnapshotStore;
use crate::{
    SnapshotError, VmError,
    blocking::blocking,
    lease::Leased,
    pause::Life,
    standstill::{StandstillError, go_on, halt},
    template::LoadedTemplate,
    wake::{rouse, wake},
};

/// For errors.
const ATTEMPT: &str = "take a snapshot of";

/// What a VM was at one moment: with its template, all that a VM which goes on from there needs.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(super) machine: MachineSnapshot,
    pub(super) disk: DiskMoment,
    /// Counts it among those that are held.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// How long a VM was held up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeldUp {
    /// Its CPUs stood still.
    pub(super) paused: Duration,
    /// Its programs were at rest: the pause, and bringing them to rest and letting them go on.
    pub(super) at_rest: Duration,
    /// Taking the disk, while the CPUs stood still.
    pub(super) disk: Duration,
}

/// Where and how a moment is taken.
#[derive(Debug)]
pub(super) struct Taking {
    pub(super) template: Arc<LoadedTemplate>,
    /// For files without a name, on the disk's own file system.
    pub(super) folder: PathBuf,
    /// Says when there is room for one more moment.
    pub(super) store: SnapshotStore,
}

impl Taking {
    /// Takes what `leased` is now. It goes on as it was: a paused VM stays paused, and none of its programs runs
    /// meanwhile.
    ///
    /// # Errors
    /// See [`SnapshotError`]. The VM goes on as it was, where it still can.
    ///
    /// # Cancel safety
    /// Not cancel safe: the VM may be left standing.
    pub(super) async fn take(&self, leased: &Leased) -> Result<(Moment, HeldUp), SnapshotError> {
        let room = self.store.room().await;
        let mut life = leased.life().await;
        let begin = Instant::now();
        if *life == Life::Asleep {
            // It never ran for its owner; from here on it does.
            let wake = wake(leased.id().as_str());
            let waking = async move |machine: Arc<dyn Machine>| go_on(&*machine, wake?).await;
            leased.with_machine(ATTEMPT, waking).await?;
            leased.set_life(&mut life, Life::Awake);
        }
        let was_paused = *life == Life::Paused;
        let handover = new_word().map_err(|error| unready(leased, error))?;
        let stopped = self.stop(leased, &mut life, handover.clone()).await?;
        let machine = leased.machine().ok_or_else(|| gone(leased))?;
        let captured = leased.until_gone(self.capture(&*machine, handover)).await;
        drop(machine);
        let went_on = if was_paused {
            Instant::now()
        } else {
            // Until it is known that it goes on, it does not.
            leased.set_life(&mut life, Life::Paused);
            let wake = rouse();
            let going = async move |machine: Arc<dyn Machine>| go_on(&*machine, wake?).await;
            let went_on = leased.with_machine("resume", going).await?;
            leased.set_life(&mut life, Life::Awake);
            went_on
        };
        let (machine, (disk, disk_took)) = captured.ok_or_else(|| gone(leased))??;
        let held_up = HeldUp {
            paused: went_on.saturating_duration_since(stopped),
            at_rest: begin.elapsed(),
            disk: disk_took,
        };
        let moment = Moment {
            machine,
            disk,
            _room: room,
        };
        Ok((moment, held_up))
    }

    /// Brings programs and CPUs to a stand; returns when the CPUs began to stop.
    async fn stop(
        &self,
        leased: &Leased,
        life: &mut Life,
        handover: Handover,
    ) -> Result<Instant, SnapshotError> {
        let was_paused = *life == Life::Paused;
        let stopping = async move |machine: Arc<dyn Machine>| {
            if was_paused {
                // The CPUs run, the programs stay at rest, and the agent learns the word.
                machine.resume().await?;
            }
            halt(&*machine, Some(handover)).await
        };
        let error = match leased.with_machine(ATTEMPT, stopping).await {
            Ok(stopped) => return Ok(stopped),
            Err(error) => error,
        };
        if !was_paused {
            // It runs; its programs may be at rest if the agent was slow, and the next caller lets them go on.
            leased.set_life(life, Life::Adopted);
        } else if let Some(machine) = leased.machine()
            && let Err(error) = machine.pause().await
        {
            tracing::warn!(vm = %leased.id(), %error, "could not pause a VM again");
        }
        Err(error.into())
    }

    async fn capture(
        &self,
        machine: &dyn Machine,
        handover: Handover,
    ) -> Result<(MachineSnapshot, (DiskMoment, Duration)), SnapshotError> {
        let base = self.template.memory.base();
        // A guest can't have written more than it has.
        let limit_bytes = self.template.manifest.shape.memory_bytes();
        let scratch = machine.scratch().map_err(SnapshotError::Write)?;
        let folder = self.folder.clone();
        let disk = blocking(move || {
            let begin = Instant::now();
            let disk = DiskMoment::take(&scratch, &folder)?;
            Ok((disk, begin.elapsed()))
        });
        let capture = capture_machine(machine, &base, handover, limit_bytes);
        let (captured, disk) = tokio::join!(capture, disk);
        Ok((captured?, disk.map_err(SnapshotError::Write)?))
    }
}

async fn capture_machine(
    machine: &dyn Machine,
    base: &BaseMemory,
    handover: Handover,
    limit_bytes: u64,
) -> Result<MachineSnapshot, SnapshotError> {
    let captured = machine.capture(base, handover, limit_bytes).await;
    captured.map_err(|error| match error {
        CaptureError::Control(error) => VmError::Control {
            id: crate::LeaseId(machine.id().as_str().to_owned()),
            attempt: ATTEMPT,
            source: Box::new(error),
        }
        .into(),
        CaptureError::Memory(error) if error.is_forbidden() => {
            SnapshotError::NotPermitted(Box::new(error))
        }
        error => SnapshotError::Memory(Box::new(error)),
    })
}

fn gone(leased: &Leased) -> SnapshotError {
    VmError::Unknown(leased.id().clone()).into()
}

fn unready(leased: &Leased, error: std::io::Error) -> SnapshotError {
    StandstillError::from(error).of(leased.id(), ATTEMPT).into()
}

fn new_word() -> std::io::Result<Handover> {
    let mut random = [0; HANDOVER_BYTES];
    getrandom::fill(&mut random)?;
    Ok(Handover::new(random))
}

/// What is free on the file system of a folder.
pub(super) fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let figures = nix::sys::statvfs::statvfs(folder)?;
    Ok(figures.blocks_available() as u64 * figures.fragment_size())
}
