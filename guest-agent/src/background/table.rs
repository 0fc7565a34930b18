//! All programs in the background of one guest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thaw_guest_protocol::{BackgroundExec, Exec, ExecId, FailureKind};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::program::{Attended, Program, attend};
use crate::{
    exec::{Leftovers, Started},
    failure::OperationError,
};

/// How many there are at most, those that have ended included. For a new one the oldest that has ended is forgotten;
/// where all of them run, it is refused.
const MAX_PROGRAMS: usize = 64;

/// The programs in the background. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Background(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: Mutex<Table>,
    tracker: TaskTracker,
    runtime: Handle,
    leftovers: Leftovers,
}

#[derive(Debug, Default)]
struct Table {
    programs: BTreeMap<ExecId, Arc<Program>>,
    last_id: u64,
}

impl Background {
    /// Programs are attended to on `runtime`.
    pub(crate) fn new(runtime: Handle, leftovers: Leftovers) -> Self {
        Self(Arc::new(Inner {
            table: Mutex::default(),
            tracker: TaskTracker::new(),
            runtime,
            leftovers,
        }))
    }

    /// Starts one.
    ///
    /// # Errors
    /// When there are too many, and what `start` says.
    pub(super) fn start(
        &self,
        exec: &Exec,
        start: impl FnOnce() -> Result<Started, OperationError>,
    ) -> Result<BackgroundExec, OperationError> {
        let mut table = self.table();
        let surplus = table.surplus()?;
        let Started {
            child,
            streams,
            limits,
        } = start()?;
        if let Some(surplus) = surplus {
            table.programs.remove(&surplus);
        }
        table.last_id += 1;
        let id = ExecId(table.last_id);
        let (program, signals) = Program::new(id, exec);
        let program = Arc::new(program);
        let info = program.info();
        let attended = Attended {
            child,
            streams,
            limits,
            signals,
        };
        let (ours, leftovers) = (Arc::clone(&program), self.0.leftovers.clone());
        let life = async move { attend(&ours, attended, &leftovers).await };
        self.0.tracker.spawn_on(life, &self.0.runtime);
        table.programs.insert(id, program);
        Ok(info)
    }

    /// All of them, the oldest first.
    pub(super) fn list(&self) -> Vec<BackgroundExec> {
        let table = self.table();
        table
            .programs
            .values()
            .map(|program| program.info())
            .collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn find(&self, id: ExecId) -> Result<Arc<Program>, OperationError> {
        let found = self.table().programs.get(&id).map(Arc::clone);
        found.ok_or_else(|| {
            let why = format!("there is no program {} in the background", id.0);
            OperationError::refused(FailureKind::NoSuchExec, why)
        })
    }

    /// Forgets one that has ended.
    pub(super) fn forget(&self, id: ExecId) {
        self.table().programs.remove(&id);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A start that panics has not changed it yet.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Which one is forgotten for a new one, if one must be.
    fn surplus(&self) -> Result<Option<ExecId>, OperationError> {
        if self.programs.len() < MAX_PROGRAMS {
            return Ok(None);
        }
        let ended = self
            .programs
            .iter()
            .find(|(_, program)| program.has_ended());
        match ended {
            Some((id, _)) => Ok(Some(*id)),
            None => Err(OperationError::refused(
                FailureKind::Exhausted,
                format!("{MAX_PROGRAMS} programs run in the background already"),
            )),
        }
    }
}
