//! The room that a node has for VMMs, and who is asked to make some.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::NodeLimits;

/// Who wishes for room without being a pool.
const NOBODY: u64 = u64::MAX;

/// What is taken and what is free. Pools take a [`Slot`] before they spawn.
#[derive(Debug)]
pub(crate) struct Budget {
    vmms: u32,
    memory_mib: u64,
    taken: Mutex<Taken>,
    /// Changes with each slot that becomes free.
    freed: watch::Sender<u64>,
    /// Changes when somebody finds no room for a caller that waits; carries who.
    wanted: watch::Sender<Option<(u64, u64)>>,
    calls: AtomicU64,
    pools: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Taken {
    vmms: u32,
    memory_mib: u64,
}

/// Which bound leaves no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom {
    pub(crate) what: &'static str,
    pub(crate) limit: u64,
}

impl Budget {
    pub(crate) fn new(limits: &NodeLimits) -> Arc<Self> {
        Arc::new(Self {
            vmms: limits.vmms,
            memory_mib: limits.memory_mib,
            taken: Mutex::default(),
            freed: watch::Sender::new(0),
            wanted: watch::Sender::new(None),
            calls: AtomicU64::new(0),
            pools: AtomicU64::new(0),
        })
    }

    /// Takes the room of one VMM.
    pub(crate) fn take(self: &Arc<Self>, memory_mib: u32) -> Result<Slot, NoRoom> {
        let mut taken = self.lock();
        let memory = taken.memory_mib + u64::from(memory_mib);
        if taken.vmms >= self.vmms {
            return Err(NoRoom {
                what: "VMs at once",
                limit: u64::from(self.vmms),
            });
        }
        if memory > self.memory_mib {
            return Err(NoRoom {
                what: "MiB of memory for VMs",
                limit: self.memory_mib,
            });
        }
        taken.vmms += 1;
        taken.memory_mib = memory;
        drop(taken);
        Ok(self.slot(memory_mib))
    }

    /// Takes the room of a VMM that is there already, whether or not there is any.
    pub(crate) fn take_anyway(self: &Arc<Self>, memory_mib: u32) -> Slot {
        let mut taken = self.lock();
        taken.vmms += 1;
        taken.memory_mib += u64::from(memory_mib);
        drop(taken);
        self.slot(memory_mib)
    }

    fn slot(self: &Arc<Self>, memory_mib: u32) -> Slot {
        Slot {
            budget: Arc::clone(self),
            memory_mib,
        }
    }

    /// Takes the room of one VMM, asking the pools for it where there is none.
    ///
    /// # Cancel safety
    /// Nothing is taken.
    pub(crate) async fn take_within(
        self: &Arc<Self>,
        memory_mib: u32,
        within: Duration,
    ) -> Result<Slot, NoRoom> {
        let mut freed = self.freed();
        let deadline = Instant::now() + within;
        loop {
            freed.mark_unchanged();
            let no_room = match self.take(memory_mib) {
                Ok(slot) => return Ok(slot),
                Err(no_room) => no_room,
            };
            self.ask_for_room(NOBODY);
            if timeout_at(deadline, freed.changed()).await.is_err() {
                return Err(no_room);
            }
        }
    }

    /// The number of VMMs that have a slot.
    pub(crate) fn vmms(&self) -> u32 {
        self.lock().vmms
    }

    /// Changes with each slot that becomes free.
    pub(crate) fn freed(&self) -> watch::Receiver<u64> {
        self.freed.subscribe()
    }

    /// A number for a pool, to wish for room under.
    pub(crate) fn new_number(&self) -> u64 {
        self.pools.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks all others than `who` to give up what nobody waits for.
    pub(crate) fn ask_for_room(&self, who: u64) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.wanted.send_replace(Some((call, who)));
    }

    /// Changes with each wish for room; carries its number and who wishes.
    pub(crate) fn wanted(&self) -> watch::Receiver<Option<(u64, u64)>> {
        self.wanted.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Every update is plain arithmetic, so a panic elsewhere can't have left it half-done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room of one VMM; free again when this is dropped, which is when its process is gone.
#[derive(Debug)]
pub(crate) struct Slot {
    budget: Arc<Budget>,
    memory_mib: u32,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.budget.lock();
        taken.vmms -= 1;
        taken.memory_mib -= u64::from(self.memory_mib);
        drop(taken);
        self.budget.freed.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_by_number_and_by_memory_and_comes_back() {
        let limits = NodeLimits {
            vmms: 2,
            memory_mib: 600,
            ..NodeLimits::default()
        };
        let budget = Budget::new(&limits);
        let first = budget.take(256).unwrap();
        assert_eq!(budget.take(512).unwrap_err().what, "MiB of memory for VMs");
        let _second = budget.take(256).unwrap();
        assert_eq!(budget.take(1).unwrap_err().what, "VMs at once");
        let freed = budget.freed();
        drop(first);
        assert!(freed.has_changed().unwrap());
        assert_eq!(budget.vmms(), 1);
        budget.take(344).unwrap();
        // What was adopted counts, though there is no room for it.
        let _adopted = budget.take_anyway(600);
        assert_eq!(budget.vmms(), 2);
        assert!(budget.take(1).is_err());
    }
}
