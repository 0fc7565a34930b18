//! The room of a node as its members share it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    NoRoom, Room, Worth,
    room::{Amount, MemberKey},
};
use crate::{NodeLimits, Shortage};

/// What is taken and what is free. Members take a [`Slot`] before they spawn.
#[derive(Debug)]
pub(crate) struct Budget {
    shared: Mutex<Shared>,
    /// Changes when there may be room for somebody who had none.
    freed: watch::Sender<u64>,
    /// What those in need lack, for whoever holds VMs that it could do without.
    shortage: watch::Sender<Shortage>,
}

#[derive(Debug)]
struct Shared {
    room: Room,
    /// How many VMMs each member was asked to give up, ever.
    asks: BTreeMap<MemberKey, watch::Sender<u64>>,
}

/// What a member could spare and what it needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    /// Its VMMs that nobody waits for, the least valuable first.
    pub(crate) spares: Vec<Worth>,
    /// VMMs that somebody waits for, and that there was no room for.
    pub(crate) needs: u32,
}

/// Somebody whose VMMs all have the same memory.
#[derive(Debug)]
pub(crate) struct Member {
    budget: Arc<Budget>,
    key: MemberKey,
    memory_mib: u32,
    asks: watch::Receiver<u64>,
    answered: u64,
    /// What was last told.
    told: (Report, u64),
}

impl Budget {
    pub(crate) fn new(limits: &NodeLimits) -> Arc<Self> {
        let limits = Amount {
            vmms: limits.vmms,
            memory_mib: limits.memory_mib,
        };
        Arc::new(Self {
            shared: Mutex::new(Shared {
                room: Room::new(limits),
                asks: BTreeMap::new(),
            }),
            freed: watch::Sender::new(0),
            shortage: watch::Sender::default(),
        })
    }

    /// Lets somebody in whose VMMs have so much memory each.
    pub(crate) fn join(self: &Arc<Self>, memory_mib: u32) -> Member {
        let mut shared = self.lock();
        let key = shared.room.join(memory_mib);
        let (asks, asked) = watch::channel(0);
        shared.asks.insert(key, asks);
        drop(shared);
        Member {
            budget: Arc::clone(self),
            key,
            memory_mib,
            asks: asked,
            answered: 0,
            told: (Report::default(), 0),
        }
    }

    /// Takes the room of one VMM that nobody waits for.
    ///
    /// # Errors
    /// The bound that leaves no room.
    pub(crate) fn take(self: &Arc<Self>, memory_mib: u32) -> Result<Slot, NoRoom> {
        self.join(memory_mib).take(false)
    }

    /// Takes the room of a VMM that is there already, whether or not there is any.
    pub(crate) fn take_anyway(self: &Arc<Self>, memory_mib: u32) -> Slot {
        self.lock().room.take_anyway(memory_mib);
        self.slot(memory_mib)
    }

    /// Takes the room of one VMM; where there is none, others are asked for it.
    ///
    /// # Errors
    /// The bound that has left no room for so long.
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
        let mut member = self.join(memory_mib);
        loop {
            freed.mark_unchanged();
            let no_room = match member.take(true) {
                Ok(slot) => return Ok(slot),
                Err(no_room) => no_room,
            };
            member.report(Report {
                spares: Vec::new(),
                needs: 1,
            });
            if timeout_at(deadline, freed.changed()).await.is_err() {
                return Err(no_room);
            }
        }
    }

    /// The number of VMMs that have a slot.
    pub(crate) fn vmms(&self) -> u32 {
        self.lock().room.taken().vmms
    }

    /// Changes when there may be room for somebody who had none.
    pub(crate) fn freed(&self) -> watch::Receiver<u64> {
        self.freed.subscribe()
    }

    /// What those in need lack, now and whenever it changes.
    pub(crate) fn shortage(&self) -> watch::Receiver<Shortage> {
        self.shortage.subscribe()
    }

    fn tell_shortage(&self, room: &Room) {
        let Amount { vmms, memory_mib } = room.shortage();
        let shortage = Shortage { vmms, memory_mib };
        self.shortage.send_if_modified(|told| {
            let is_other = *told != shortage;
            *told = shortage;
            is_other
        });
    }

    fn slot(self: &Arc<Self>, memory_mib: u32) -> Slot {
        Slot {
            budget: Arc::clone(self),
            memory_mib,
        }
    }

    fn announce(&self) {
        self.freed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Every update is plain arithmetic, so a panic elsewhere can't have left it half-done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn ask(&self, asked: &[MemberKey]) {
        for key in asked {
            if let Some(asks) = self.asks.get(key) {
                asks.send_modify(|count| *count += 1);
            }
        }
    }
}

impl Member {
    /// Takes the room of one VMM. What somebody waits for is needed; everything else comes after that.
    ///
    /// # Errors
    /// The bound that leaves no room.
    pub(crate) fn take(&mut self, needed: bool) -> Result<Slot, NoRoom> {
        let mut shared = self.budget.lock();
        shared.room.take(self.key, needed)?;
        self.budget.tell_shortage(&shared.room);
        drop(shared);
        // The room counts the need as met; the next report says what is left of it.
        let told = &mut self.told.0;
        told.needs = told.needs.saturating_sub(1);
        Ok(self.budget.slot(self.memory_mib))
    }

    /// Ends when VMMs are to be given up.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn asked(&mut self) {
        // The sender lives as long as the member.
        let _ = self.asks.wait_for(|asked| *asked > self.answered).await;
    }

    /// How many VMMs are to be given up now; the next report tells that they were, or could not be.
    pub(crate) fn answer(&mut self) -> u32 {
        let asked = *self.asks.borrow_and_update();
        let more = asked - self.answered;
        self.answered = asked;
        u32::try_from(more).unwrap_or(u32::MAX)
    }

    /// Tells what there is to spare and what is needed.
    pub(crate) fn report(&mut self, report: Report) {
        let told = (report, self.answered);
        if told == self.told {
            return;
        }
        let needs_less = told.0.needs < self.told.0.needs;
        let (report, answered) = &told;
        let mut shared = self.budget.lock();
        let asked = shared
            .room
            .report(self.key, report.spares.clone(), report.needs, *answered);
        shared.ask(&asked);
        self.budget.tell_shortage(&shared.room);
        drop(shared);
        if needs_less {
            self.budget.announce();
        }
        self.told = told;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut shared = self.budget.lock();
        shared.asks.remove(&self.key);
        let asked = shared.room.leave(self.key);
        shared.ask(&asked);
        self.budget.tell_shortage(&shared.room);
        drop(shared);
        if self.told.0.needs > 0 {
            self.budget.announce();
        }
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
        let mut shared = self.budget.lock();
        shared.room.give_back(self.memory_mib);
        self.budget.tell_shortage(&shared.room);
        drop(shared);
        self.budget.announce();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(vmms: u32, memory_mib: u64) -> Arc<Budget> {
        Budget::new(&NodeLimits {
            vmms,
            memory_mib,
            ..NodeLimits::default()
        })
    }

    #[test]
    fn room_is_bounded_by_number_and_by_memory_and_comes_back() {
        let budget = budget(2, 600);
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

    #[test]
    fn what_spares_do_not_cover_is_a_shortage_until_it_is_there() {
        let budget = budget(8, 512);
        let shortage = budget.shortage();
        let held = budget.take(256).unwrap();
        let mut pool = budget.join(256);
        let parked = pool.take(false).unwrap();
        let spares = vec![Worth::NOTHING];
        pool.report(Report { spares, needs: 0 });
        let mut other = budget.join(256);
        let needs = |needs| Report {
            spares: Vec::new(),
            needs,
        };
        other.report(needs(1));
        let lacks = |memory_mib| {
            *shortage.borrow()
                == Shortage {
                    vmms: 0,
                    memory_mib,
                }
        };
        assert!(lacks(0), "a spare was asked for");
        other.report(needs(2));
        assert!(lacks(256));
        drop(held);
        assert!(lacks(0));
        drop(parked);
        other.report(needs(0));
        assert!(lacks(0));
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_least_valuable_spare_of_another() {
        let budget = budget(8, 512);
        let worth = |leases| Worth::of_parked(1, 0, leases, 0.3, 256);
        let mut pools: Vec<_> = [2.0, 1.0].map(|leases| (budget.join(256), leases)).into();
        let mut slots = Vec::new();
        for (pool, leases) in &mut pools {
            slots.push(pool.take(true).unwrap());
            let spares = vec![worth(*leases)];
            pool.report(Report { spares, needs: 0 });
        }
        let taking = budget.take_within(256, Duration::from_secs(60));
        let giving = async {
            pools[1].0.asked().await;
            assert_eq!((pools[0].0.answer(), pools[1].0.answer()), (0, 1));
            slots.pop();
            // Nobody stocks up with what is promised.
            assert!(budget.take(256).is_err());
            pools[1].0.report(Report::default());
        };
        let (taken, ()) = tokio::join!(taking, giving);
        taken.unwrap();
        assert_eq!(pools[0].0.answer(), 0);
    }
}
