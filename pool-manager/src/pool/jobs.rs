//! The steps of a VMM on its way into the pool. Each owns the VMM while it lasts; dropped, it ends it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use thaw_lazymem::{ServeError, ServedClone};
use thaw_vmm::{Machine, Shell, VmmEnd, VmmId};
use tokio::time::timeout;

use super::{handle::PoolSetup, record::record_anew};
use crate::{
    budget::Slot,
    clone::Spawner,
    error::chain,
    memory::{note_restore, served},
    proof::prove,
    template::LoadedTemplate,
};

/// A shell and its room.
#[derive(Debug)]
pub(crate) struct ReadyShell {
    pub(crate) shell: Box<dyn Shell>,
    pub(crate) memory: Option<Arc<ServedClone>>,
    pub(crate) slot: Slot,
}

/// A paused clone and its room.
#[derive(Debug)]
pub(super) struct PausedClone {
    pub(super) machine: Box<dyn Machine>,
    pub(super) memory: Option<Arc<ServedClone>>,
    pub(super) slot: Slot,
    /// What its restore took.
    pub(super) restore: Duration,
}

/// What became of a step; a failure's text is for people.
#[derive(Debug)]
pub(super) enum Step {
    Spawned(ReadyShell),
    Restored(PausedClone),
    Proven(PausedClone),
    Failed(String),
}

pub(super) async fn spawn(
    setup: PoolSetup,
    template: Arc<LoadedTemplate>,
    slot: Slot,
    urgent: bool,
) -> Step {
    let _pass = setup.gate.enter(urgent).await;
    let id = match VmmId::random("vm") {
        Ok(id) => id,
        Err(error) => return Step::Failed(format!("no random id: {error}")),
    };
    let spawner = Spawner {
        engine: &*setup.engine,
        memory: &setup.memory,
        folder: &setup.scratch_folder,
    };
    match spawner.shell(&template, id).await {
        Ok(provided) => match provided.shell.end().now() {
            None => Step::Spawned(ReadyShell {
                shell: provided.shell,
                memory: provided.memory,
                slot,
            }),
            Some(end) => ended(&end),
        },
        Err(error) => Step::Failed(chain(&error)),
    }
}

pub(super) async fn restore(
    setup: PoolSetup,
    template: Arc<LoadedTemplate>,
    ready: ReadyShell,
    urgent: bool,
) -> Step {
    let _pass = setup.gate.enter(urgent).await;
    let begin = Instant::now();
    let state = template.device_state.clone();
    let memory = ready.memory;
    let restored = ready.shell.restore(state, setup.limits.start_within);
    let restored = served(memory.as_ref(), restored).await;
    let failed = || {
        let failures = &setup.counters.restore_failures;
        failures.fetch_add(1, Ordering::Relaxed);
    };
    let machine = match restored {
        Ok(Ok(machine)) => machine,
        Ok(Err(error)) => {
            failed();
            return Step::Failed(chain(&error));
        }
        Err(error) => {
            failed();
            return unserved(&template, &error);
        }
    };
    setup.counters.restores.fetch_add(1, Ordering::Relaxed);
    // Only now: the fill would take the disk away from what the restore itself waits for.
    if let Some(memory) = &memory
        && let Err(error) = memory.complete()
    {
        return Step::Failed(chain(&error));
    }
    match machine.end().now() {
        None => Step::Restored(PausedClone {
            machine,
            memory,
            slot: ready.slot,
            restore: begin.elapsed(),
        }),
        Some(end) => ended(&end),
    }
}

pub(super) async fn take_through(
    setup: PoolSetup,
    template: Arc<LoadedTemplate>,
    clone: PausedClone,
) -> Step {
    let _pass = setup.gate.enter(false).await;
    let within = setup.limits.start_within;
    let proof = prove(&*clone.machine, &template.manifest, within);
    match served(clone.memory.as_ref(), proof).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            return match clone.machine.end().now() {
                Some(end) => ended(&end),
                None => Step::Failed(chain(&error)),
            };
        }
        Err(error) => return unserved(&template, &error),
    }
    if let Some(memory) = &clone.memory {
        // What is parked is promised.
        match timeout(within, memory.independent()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return unserved(&template, &error),
            Err(_) => return Step::Failed("its template was not filled in time".to_owned()),
        }
        if note_restore(Arc::clone(&template), memory).await {
            record_anew(&setup, &template);
        }
    }
    match clone.machine.end().now() {
        None => Step::Proven(clone),
        Some(end) => ended(&end),
    }
}

/// The clone's pages can't be had.
fn unserved(template: &LoadedTemplate, error: &ServeError) -> Step {
    template.blame(error);
    Step::Failed(chain(error))
}

fn ended(end: &VmmEnd) -> Step {
    Step::Failed(end.to_string())
}
