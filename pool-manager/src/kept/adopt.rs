//! The start of a daemon: what an earlier one kept is taken up.

use std::{fs::File, io, sync::Arc};

use thaw_vmm::{AdoptError, AdoptSpec, Adopted, ProcessMark, VmmId};
use tokio::task::JoinSet;

use super::{
    KeptVms,
    vm::{Facts, Phase, Vm},
};
use crate::{
    LeaseId, OpenError,
    blocking::blocking,
    error::chain,
    lease::{Leased, Staying},
    node_db::{NodeDbError, Recorded, VmRow},
    pause::Life,
};

impl KeptVms {
    /// Adopts what lives; the others are stopped. Then ends every VMM and removes every disk that is of no VM.
    ///
    /// # Errors
    /// When the rows can't be read, or what is left over can't be ended or removed.
    pub(crate) async fn take_up(&self) -> Result<(), TakeUpError> {
        let mut taking = JoinSet::new();
        for row in self.0.setup.db.vms().await? {
            let kept = self.clone();
            taking.spawn(async move { kept.take_up_one(row).await });
        }
        let mut keep = Vec::new();
        for taken in taking.join_all().await {
            keep.extend(taken?);
        }
        let engine = &self.0.setup.baker.engine;
        let ended = engine.end_orphans(&keep).await;
        let ended = ended.map_err(TakeUpError::Orphans)?;
        if !ended.is_empty() {
            let count = ended.len();
            tracing::warn!(count, "ended VMMs that an earlier daemon left behind");
        }
        let vms = self.clone();
        let sweep = move || {
            let is_kept = |name: &str| vms.0.vms.contains_key(&LeaseId(name.to_owned()));
            vms.0.folders.sweep(is_kept)
        };
        let swept = blocking(sweep).await;
        swept.map_err(TakeUpError::Sweep)
    }

    /// The VMM's name, if it was adopted.
    async fn take_up_one(&self, row: VmRow) -> Result<Option<VmmId>, TakeUpError> {
        let id = row.id.clone();
        let Ok(name) = VmmId::try_from(id.as_str().to_owned()) else {
            return self.forget(&id, "its row names no VM").await;
        };
        let (folders, of) = (self.0.folders.clone(), id.clone());
        let scratch = match blocking(move || folders.scratch(&of)).await {
            Ok(scratch) => scratch,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.forget(&id, "its disk is not there").await;
            }
            Err(source) => return Err(TakeUpError::Disk { id, source }),
        };
        let facts = Facts {
            id: row.id,
            template: row.template,
            image: row.image,
            shape: row.shape,
            config: row.config,
        };
        let image = self.pin(&facts.image);
        let (mark, was_paused) = match &row.recorded {
            Recorded::Running(mark) => (mark, false),
            Recorded::Paused(mark) => (mark, true),
            Recorded::Stopped => {
                self.enter(Vm::new(facts, Phase::Stopped, image));
                return Ok(None);
            }
        };
        match self.adopt(&name, mark, scratch).await {
            Ok(adopted) => {
                let running = adopted.running;
                let leased = self.lease(Staying {
                    machine: adopted.machine,
                    slot: self.0.setup.budget.take_anyway(facts.shape.memory_mib),
                    config: facts.config.clone(),
                    life: if running { Life::Adopted } else { Life::Paused },
                });
                let phase = self
                    .as_acknowledged(&leased, mark, was_paused, running)
                    .await?;
                let vm = self.enter(Vm::new(facts, phase, image));
                self.follow(&vm, &leased);
                if running {
                    self.let_go_on(leased);
                }
                Ok(Some(name))
            }
            Err(error) => {
                tracing::warn!(vm = %id, "a VM is stopped now: {}", chain(&error));
                self.0.setup.db.record(&id, Recorded::Stopped).await?;
                self.enter(Vm::new(facts, Phase::Stopped, image));
                Ok(None)
            }
        }
    }

    async fn adopt(
        &self,
        name: &VmmId,
        mark: &ProcessMark,
        scratch: File,
    ) -> Result<Adopted, AdoptError> {
        let spec = AdoptSpec {
            id: name.clone(),
            mark: mark.clone(),
            scratch,
        };
        self.0.setup.baker.engine.adopt(spec).await
    }

    /// A pause that nobody was told of is undone; a resume that nobody was told of has happened.
    async fn as_acknowledged(
        &self,
        leased: &Arc<Leased>,
        mark: &ProcessMark,
        was_paused: bool,
        running: bool,
    ) -> Result<Phase, NodeDbError> {
        match (was_paused, running) {
            (true, false) => return Ok(Phase::Paused(Arc::clone(leased))),
            (true, true) => {
                let recorded = Recorded::Running(mark.clone());
                self.0.setup.db.record(leased.id(), recorded).await?;
            }
            (false, false) => {
                if let Err(error) = leased.resume().await {
                    tracing::warn!(vm = %leased.id(), "a VM can't be resumed: {}", chain(&error));
                    let recorded = Recorded::Paused(mark.clone());
                    self.0.setup.db.record(leased.id(), recorded).await?;
                    return Ok(Phase::Paused(Arc::clone(leased)));
                }
            }
            (false, true) => {}
        }
        Ok(Phase::Running(Arc::clone(leased)))
    }

    /// An earlier daemon may have ended between bringing its programs to rest and stopping it, or between
    /// letting it run and letting them go on.
    fn let_go_on(&self, leased: Arc<Leased>) {
        self.0.setup.tracker.spawn(async move {
            if let Err(error) = leased.resume().await {
                tracing::warn!(vm = %leased.id(), "an adopted VM does not answer: {}", chain(&error));
            }
        });
    }

    fn enter(&self, vm: Arc<Vm>) -> Arc<Vm> {
        self.0.vms.insert(vm.id().clone(), Arc::clone(&vm));
        vm
    }

    /// A row without a disk: a release that a killed daemon did not finish, or a disk that somebody took away.
    async fn forget(&self, id: &LeaseId, why: &str) -> Result<Option<VmmId>, TakeUpError> {
        tracing::error!(vm = %id, "forgot a VM that can't be there any more: {why}");
        self.0.setup.db.remove_vm(id).await?;
        Ok(None)
    }
}

impl From<TakeUpError> for OpenError {
    fn from(error: TakeUpError) -> Self {
        Self::TakeUp(Box::new(error))
    }
}

/// What an earlier daemon left can't be taken up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeUpError {
    #[error("could not read or write the node's database")]
    Db(#[from] NodeDbError),
    #[error("could not open the disk of VM {id}")]
    Disk {
        id: LeaseId,
        #[source]
        source: io::Error,
    },
    #[error("could not end what is left over")]
    Orphans(#[source] io::Error),
    #[error("could not remove what is left over")]
    Sweep(#[source] io::Error),
}
