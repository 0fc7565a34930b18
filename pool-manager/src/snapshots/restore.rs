//! Making a VM that goes on from a moment.

use std::{
    error::Error,
    fs::File,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use thaw_lazymem::{Recording, ServedClone};
use thaw_vmm::{Machine, RestoreError, VmmId};
use tokio::time::{Instant, timeout_at};

use super::moment::Moment;
use crate::{
    Lease, LeaseError, StartKind,
    budget::{NoRoom, Slot},
    clone::Spawner,
    lease::Leased,
    memory::served,
    pool::{FreshClone, Pool},
    pools::Pools,
    template::LoadedTemplate,
};

/// A VM that is awake, and what the caller is told of it.
pub(super) struct Restored {
    pub(super) leased: Arc<Leased>,
    pub(super) lease: Lease,
}

impl Pools {
    /// Makes a VM that goes on from `moment`; it is awake when this returns.
    ///
    /// # Errors
    /// See [`LeaseError`]; nothing is left then.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is left.
    pub(super) async fn restore_moment(
        &self,
        pool: &Pool,
        moment: Arc<Moment>,
        within: Duration,
    ) -> Result<Restored, LeaseError> {
        let deadline = Instant::now() + within;
        let restored = timeout_at(deadline, self.restore_unbounded(pool, moment, within)).await;
        restored.unwrap_or(Err(LeaseError::TimedOut(within)))
    }

    async fn restore_unbounded(
        &self,
        pool: &Pool,
        moment: Arc<Moment>,
        within: Duration,
    ) -> Result<Restored, LeaseError> {
        let begin = Instant::now();
        let setup = self.setup();
        let template = pool.template();
        let manifest = &template.manifest;
        // From here on the template can't be removed.
        let counted = pool.count_leased();
        let full = |NoRoom { what, limit }| LeaseError::NodeFull { what, limit };
        let slot = setup.budget.take_within(manifest.shape.memory_mib, within);
        let slot = slot.await.map_err(full)?;
        let pass = setup.gate.enter(true).await;
        let queue = begin.elapsed();
        let disk_bytes = moment.disk.len_bytes();
        let restored = self.machine(template, moment, slot, within).await;
        let (machine, memory, slot) = restored.inspect_err(|_| {
            let failures = &setup.counters.restore_failures;
            failures.fetch_add(1, Ordering::Relaxed);
        })?;
        setup.counters.restores.fetch_add(1, Ordering::Relaxed);
        let (leased, start) = Leased::new(
            FreshClone {
                machine,
                slot,
                memory,
                template: Arc::clone(template),
                start: StartKind::Restored,
                restore: Duration::ZERO,
                counted,
            },
            Arc::clone(&setup.counters),
            setup.tracker.clone(),
        );
        // Its programs go on when it has a generator, a clock and names of its own.
        leased.resume().await.map_err(not_restored)?;
        drop(pass);
        let lease = Lease {
            id: leased.id().clone(),
            template: manifest.id.clone(),
            image: manifest.image.clone(),
            shape: manifest.shape,
            disk_bytes,
            config: manifest.config.clone(),
            start,
            queue,
            restore: begin.elapsed().saturating_sub(queue),
        };
        Ok(Restored { leased, lease })
    }

    /// A machine that stands still where the moment was.
    async fn machine(
        &self,
        template: &LoadedTemplate,
        moment: Arc<Moment>,
        slot: Slot,
        within: Duration,
    ) -> Result<(Box<dyn Machine>, Option<Arc<ServedClone>>, Slot), LeaseError> {
        let setup = self.setup();
        let spawner = Spawner {
            engine: &*setup.engine,
            memory: &setup.memory,
            folder: &setup.scratch_folder,
        };
        let id = VmmId::random("vm").map_err(not_restored)?;
        let snapshot = moment.machine.clone();
        let len_bytes = moment.disk.len_bytes();
        let fill = move |scratch: &File| moment.disk.write_to(scratch);
        let scratch = spawner.scratch(len_bytes, fill);
        let scratch = scratch.await.map_err(not_restored)?;
        let pages = &template.memory;
        let provided = spawner.shell_with(template, pages, Recording::Off, id, scratch);
        let provided = provided.await.map_err(not_restored)?;
        if let Some(memory) = &provided.memory {
            // What is written into a template that is not whole would meet its page server on the way.
            memory.complete().map_err(not_restored)?;
            memory.independent().await.map_err(not_restored)?;
        }
        let base = pages.base();
        let restoring = provided.shell.restore_snapshot(&base, snapshot, within);
        let machine = served(provided.memory.as_ref(), restoring)
            .await
            .map_err(not_restored)?
            .map_err(|error| match error {
                RestoreError::Memory(error) if error.is_forbidden() => {
                    LeaseError::NotPermitted(Arc::new(error))
                }
                error => not_restored(error),
            })?;
        Ok((machine, provided.memory, slot))
    }
}

fn not_restored(error: impl Error + Send + Sync + 'static) -> LeaseError {
    LeaseError::Restore(Arc::new(error))
}
