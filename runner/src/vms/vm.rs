//! One VM in memory: what is known of it, who is inside, and whose turn it is to change it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use thaw_pool_manager::LeaseId;
use tokio::{
    sync::{OwnedMutexGuard, watch},
    time::Instant,
};

use super::{PausedBy, VmInfo, VmStatus};
use crate::{
    catalog::{Entry, Owner},
    store::{Store, StoreError},
};

/// A VM that stays.
#[derive(Debug)]
pub(crate) struct Vm {
    id: LeaseId,
    owner: Owner,
    turn: Arc<tokio::sync::Mutex<()>>,
    now: Mutex<Now>,
    /// Changes with everything that its minder must think about.
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct Now {
    info: VmInfo,
    /// Requests that are inside.
    inside: u32,
    /// When the last one left.
    quiet_since: Instant,
    /// Its state is being changed: who wants in waits for the turn.
    changing: bool,
    /// It is deleted.
    gone: bool,
}

/// What a request finds at the gate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// It is inside now.
    Open,
    /// It must take the turn and look again.
    Wait,
    /// It is paused and wakes for a request.
    Asleep,
    /// It is paused because somebody asked for it.
    Paused,
    /// It is powered off.
    Stopped,
    /// It is deleted.
    Gone,
}

/// When its minder must act, unless something changes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// When it is paused because nobody used it.
    pub(super) idle_at: Option<Instant>,
    /// When it is deleted, in milliseconds since 1970-01-01 UTC.
    pub(super) expires_at_ms: Option<u64>,
}

/// The right to change a VM. There is one at a time.
#[derive(Debug)]
pub(crate) struct Turn {
    vm: Arc<Vm>,
    _turn: OwnedMutexGuard<()>,
}

/// A change of state that goes on: who wants in waits. Over when dropped.
#[derive(Debug)]
pub(super) struct Changing(Arc<Vm>);

impl Entry for Vm {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn owner(&self) -> Owner {
        self.owner.clone()
    }
}

impl Vm {
    pub(crate) fn new(info: VmInfo) -> Arc<Self> {
        Arc::new(Self {
            id: info.id.clone(),
            owner: info.owner.clone(),
            turn: Arc::default(),
            now: Mutex::new(Now {
                info,
                inside: 0,
                quiet_since: Instant::now(),
                changing: false,
                gone: false,
            }),
            changes: watch::Sender::new(()),
        })
    }

    pub(crate) fn id(&self) -> &LeaseId {
        &self.id
    }

    pub(crate) fn info(&self) -> VmInfo {
        self.lock().info.clone()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// Hears of everything that its minder must think about.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Waits for the turn. `None` when the VM is deleted.
    ///
    /// # Cancel safety
    /// Nothing is taken.
    pub(crate) async fn turn(self: &Arc<Self>) -> Option<Turn> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        (!self.is_gone()).then(|| Turn {
            vm: Arc::clone(self),
            _turn: turn,
        })
    }

    /// Lets a request in if the VM runs and nobody is about to change that.
    pub(super) fn knock(&self) -> Gate {
        let mut now = self.lock();
        if now.gone {
            return Gate::Gone;
        }
        if now.changing {
            return Gate::Wait;
        }
        let gate = gate_of(&now.info.state);
        if gate == Gate::Open {
            now.inside += 1;
        }
        gate
    }

    /// A request leaves.
    pub(super) fn leave(&self) {
        let mut now = self.lock();
        now.inside = now.inside.saturating_sub(1);
        now.quiet_since = Instant::now();
        drop(now);
        self.changes.send_replace(());
    }

    pub(super) fn plan(&self) -> Plan {
        let now = self.lock();
        let idle = now.inside == 0 && now.info.state == VmStatus::Running;
        Plan {
            idle_at: now
                .info
                .idle_timeout
                .filter(|_| idle)
                .map(|timeout| now.quiet_since + timeout),
            expires_at_ms: now.info.expires_at_ms(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // Nothing between its updates can panic.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gate_of(state: &VmStatus) -> Gate {
    match state {
        VmStatus::Running => Gate::Open,
        VmStatus::Paused(PausedBy::Idle) => Gate::Asleep,
        VmStatus::Paused(PausedBy::Request) => Gate::Paused,
        VmStatus::Stopped { .. } => Gate::Stopped,
    }
}

impl Turn {
    pub(crate) fn vm(&self) -> &Arc<Vm> {
        &self.vm
    }

    pub(crate) fn info(&self) -> VmInfo {
        self.vm.info()
    }

    /// Begins a change of state.
    pub(super) fn changing(&self) -> Changing {
        self.vm.lock().changing = true;
        Changing(Arc::clone(&self.vm))
    }

    /// Begins a pause if nobody is inside and nobody was for `idle`.
    pub(super) fn changing_if_idle(&self, idle: Duration) -> Option<Changing> {
        let mut now = self.vm.lock();
        let idle = now.inside == 0 && now.quiet_since.elapsed() >= idle;
        if !idle || now.info.state != VmStatus::Running {
            return None;
        }
        now.changing = true;
        drop(now);
        Some(Changing(Arc::clone(&self.vm)))
    }

    /// Writes the row, then what is known.
    pub(super) async fn write(&self, store: &Store, info: VmInfo) -> Result<(), StoreError> {
        store.update_vm(info.clone()).await?;
        self.set(info);
        Ok(())
    }

    /// Changes what is known without the row: only for what the row does not tell apart.
    pub(super) fn set(&self, info: VmInfo) {
        self.vm.lock().info = info;
        self.vm.changes.send_replace(());
    }

    /// Counts idleness anew.
    pub(super) fn touch(&self) {
        self.vm.lock().quiet_since = Instant::now();
        self.vm.changes.send_replace(());
    }

    /// The VM is deleted: nobody gets its turn or goes in any more.
    pub(super) fn gone(self) {
        self.vm.lock().gone = true;
        self.vm.changes.send_replace(());
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.0.lock().changing = false;
        self.0.changes.send_replace(());
    }
}
