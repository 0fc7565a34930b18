//! The steps of a VMM on its way into the pool. Each owns the VMM while it lasts; dropped, it ends it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use thaw_vmm::{Machine, Shell, VmmEnd, VmmId};

use super::handle::PoolSetup;
use crate::{
    budget::Slot, clone::spawn_shell, error::chain, proof::prove, template::LoadedTemplate,
};

/// A shell and its room.
#[derive(Debug)]
pub(super) struct ReadyShell {
    pub(super) shell: Box<dyn Shell>,
    pub(super) slot: Slot,
}

/// A paused clone and its room.
#[derive(Debug)]
pub(super) struct PausedClone {
    pub(super) machine: Box<dyn Machine>,
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
    match spawn_shell(&*setup.engine, &template, &setup.scratch_folder, id).await {
        Ok(shell) => match shell.end().now() {
            None => Step::Spawned(ReadyShell { shell, slot }),
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
    let restored = ready.shell.restore(state, setup.limits.start_within).await;
    let machine = match restored {
        Ok(machine) => machine,
        Err(error) => {
            setup
                .counters
                .restore_failures
                .fetch_add(1, Ordering::Relaxed);
            return Step::Failed(chain(&error));
        }
    };
    setup.counters.restores.fetch_add(1, Ordering::Relaxed);
    match machine.end().now() {
        None => Step::Restored(PausedClone {
            machine,
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
    let manifest = &template.manifest;
    if let Err(error) = prove(&*clone.machine, manifest, setup.limits.start_within).await {
        return match clone.machine.end().now() {
            Some(end) => ended(&end),
            None => Step::Failed(chain(&error)),
        };
    }
    match clone.machine.end().now() {
        None => Step::Proven(clone),
        Some(end) => ended(&end),
    }
}

fn ended(end: &VmmEnd) -> Step {
    Step::Failed(end.to_string())
}
