//! Making a VM that goes on from a moment.

use std::{
    error::Error,
    fs::File,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use thaw_lazymem::{Recording, ServeError, ServedClone};
use thaw_vmm::{Machine, RestoreError, VmmId};
use tokio::time::{Instant, timeout_at};

use super::moment::Moment;
use crate::{
    Lease, LeaseError, StartKind,
    blocking::blocking,
    budget::{NoRoom, Slot},
    clone::Spawner,
    lease::Leased,
    memory::served,
    pool::{FreshClone, Pool, ReadyShell},
    pools::Pools,
    template::LoadedTemplate,
};

/// A VM that is awake, and what the caller is told of it.
pub(super) struct Restored {
    pub(super) leased: Arc<Leased>,
    pub(super) lease: Lease,
}

/// Where a VM is to be made.
enum Place {
    /// In a shell that waited.
    Shell(ReadyShell),
    /// In a shell that is still to be spawned.
    Room(Slot),
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
        let place = self.place(pool, &moment, within).await?;
        let copies = match &place {
            Place::Shell(_) => &setup.counters.copies_into_waiting,
            Place::Room(_) => &setup.counters.copies_into_spawned,
        };
        let pass = setup.gate.enter(true).await;
        let queue = begin.elapsed();
        let disk_bytes = moment.disk.len_bytes();
        let restored = self.machine(template, moment, place, within).await;
        let (machine, memory, slot) = restored.inspect_err(|_| {
            let failures = &setup.counters.restore_failures;
            failures.fetch_add(1, Ordering::Relaxed);
        })?;
        setup.counters.restores.fetch_add(1, Ordering::Relaxed);
        copies.fetch_add(1, Ordering::Relaxed);
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

    /// One of the pool's shells that wait, else room for one more.
    async fn place(
        &self,
        pool: &Pool,
        moment: &Moment,
        within: Duration,
    ) -> Result<Place, LeaseError> {
        let manifest = &pool.template().manifest;
        // A VMM knows the length of its disk from its spawn on.
        if moment.disk.len_bytes() == manifest.scratch_bytes
            && let Some(ready) = pool.take_shell().await?
        {
            return Ok(Place::Shell(ready));
        }
        let budget = &self.setup().budget;
        let slot = budget.take_within(manifest.shape.memory_mib, within).await;
        slot.map(Place::Room)
            .map_err(|NoRoom { what, limit }| LeaseError::NodeFull { what, limit })
    }

    /// A shell whose disk is the moment's.
    async fn shell(
        &self,
        template: &LoadedTemplate,
        moment: Arc<Moment>,
        place: Place,
    ) -> Result<ReadyShell, LeaseError> {
        let setup = self.setup();
        let slot = match place {
            Place::Shell(ready) => {
                let scratch = ready.shell.scratch().map_err(not_restored)?;
                let replaced = blocking(move || moment.disk.replace(&scratch)).await;
                replaced.map_err(not_restored)?;
                return Ok(ready);
            }
            Place::Room(slot) => slot,
        };
        let spawner = Spawner {
            engine: &*setup.engine,
            memory: &setup.memory,
            folder: &setup.scratch_folder,
        };
        let id = VmmId::random("vm").map_err(not_restored)?;
        let len_bytes = moment.disk.len_bytes();
        let fill = move |scratch: &File| moment.disk.write_to(scratch);
        let scratch = spawner.scratch(len_bytes, fill);
        let scratch = scratch.await.map_err(not_restored)?;
        let pages = &template.memory;
        let provided = spawner.shell_with(template, pages, Recording::Off, id, scratch);
        let provided = provided.await.map_err(not_restored)?;
        Ok(ReadyShell {
            shell: provided.shell,
            memory: provided.memory,
            slot,
        })
    }

    /// A machine that stands still where the moment was.
    async fn machine(
        &self,
        template: &LoadedTemplate,
        moment: Arc<Moment>,
        place: Place,
        within: Duration,
    ) -> Result<(Box<dyn Machine>, Option<Arc<ServedClone>>, Slot), LeaseError> {
        let snapshot = moment.machine.clone();
        let unserved = |error: ServeError| {
            template.blame(&error);
            match template.condemned() {
                Some(bad) => LeaseError::from(bad.clone()),
                None => not_restored(error),
            }
        };
        let ready = self.shell(template, moment, place).await?;
        if let Some(memory) = &ready.memory {
            // What is written into a template that is not whole would meet its page server on the way.
            memory.complete().map_err(not_restored)?;
            memory.independent().await.map_err(unserved)?;
        }
        let base = template.memory.base();
        let restoring = ready.shell.restore_snapshot(&base, snapshot, within);
        let machine = served(ready.memory.as_ref(), restoring)
            .await
            .map_err(unserved)?
            .map_err(|error| match error {
                RestoreError::Memory(error) if error.is_forbidden() => {
                    LeaseError::NotPermitted(Arc::new(error))
                }
                error => not_restored(error),
            })?;
        Ok((machine, ready.memory, ready.slot))
    }
}

fn not_restored(error: impl Error + Send + Sync + 'static) -> LeaseError {
    LeaseError::Restore(Arc::new(error))
}
