//! What is taken, who needs more, and who is asked to give some up: decided without I/O.

use std::collections::BTreeMap;

use super::Worth;

/// A member: a pool, or whoever boots or bakes a VM.
pub(crate) type MemberKey = u64;

/// Which bound leaves no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom {
    pub(crate) what: &'static str,
    pub(crate) limit: u64,
}

/// A number of VMMs and their memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) vmms: u32,
    pub(crate) memory_mib: u64,
}

#[derive(Debug, Default)]
struct Standing {
    /// What it could give up, the least valuable first. Each is one VMM of `memory_mib`.
    spares: Vec<Worth>,
    memory_mib: u32,
    /// VMMs that somebody waits for.
    needs: u32,
    /// When it came to need them, in order of arrival.
    since: u64,
    /// How many it was asked for, ever, and how many of those it has dealt with.
    asked: u64,
    answered: u64,
}

/// The room of one node.
#[derive(Debug)]
pub(crate) struct Room {
    limits: Amount,
    taken: Amount,
    members: BTreeMap<MemberKey, Standing>,
    next_key: MemberKey,
    arrivals: u64,
}

impl Room {
    pub(crate) fn new(limits: Amount) -> Self {
        Self {
            limits,
            taken: Amount::default(),
            members: BTreeMap::new(),
            next_key: 0,
            arrivals: 0,
        }
    }

    /// Lets somebody in whose VMMs have so much memory each.
    pub(crate) fn join(&mut self, memory_mib: u32) -> MemberKey {
        self.next_key += 1;
        let standing = Standing {
            memory_mib,
            ..Standing::default()
        };
        self.members.insert(self.next_key, standing);
        self.next_key
    }

    /// Lets a member go; returns who is to give up one VMM more than before, once for each.
    pub(crate) fn leave(&mut self, who: MemberKey) -> Vec<MemberKey> {
        self.members.remove(&who);
        self.settle()
    }

    /// A member tells what it could spare, what it needs, and how many of those that it was asked for it has
    /// dealt with. Returns who is to give up one VMM more than before, once for each.
    pub(crate) fn report(
        &mut self,
        who: MemberKey,
        spares: Vec<Worth>,
        needs: u32,
        answered: u64,
    ) -> Vec<MemberKey> {
        let Some(standing) = self.members.get_mut(&who) else {
            return Vec::new();
        };
        if standing.needs == 0 && needs > 0 {
            self.arrivals += 1;
            standing.since = self.arrivals;
        }
        (standing.spares, standing.needs, standing.answered) = (spares, needs, answered);
        self.settle()
    }

    /// Takes the room of one VMM. Nobody is given what was promised to others, and only somebody in need is
    /// given any while others are.
    ///
    /// # Errors
    /// The bound that leaves no room.
    pub(crate) fn take(&mut self, who: MemberKey, needed: bool) -> Result<(), NoRoom> {
        let Some(standing) = self.members.get(&who) else {
            return Ok(());
        };
        let wanted = Amount {
            vmms: 1,
            memory_mib: u64::from(standing.memory_mib),
        };
        let mut promised = self.promised(who);
        if !needed && self.members.values().any(|other| other.needs > 0) {
            promised = self.free();
        }
        let room = |taken: u64, promised: u64, wanted: u64, limit: u64| {
            taken.saturating_add(promised).saturating_add(wanted) <= limit
        };
        let (taken, limits) = (self.taken, self.limits);
        if !room(
            taken.vmms.into(),
            promised.vmms.into(),
            wanted.vmms.into(),
            limits.vmms.into(),
        ) {
            return Err(NoRoom {
                what: "VMs at once",
                limit: limits.vmms.into(),
            });
        }
        if !room(
            taken.memory_mib,
            promised.memory_mib,
            wanted.memory_mib,
            limits.memory_mib,
        ) {
            return Err(NoRoom {
                what: "MiB of memory for VMs",
                limit: limits.memory_mib,
            });
        }
        self.taken = taken.and(wanted);
        if let Some(standing) = self.members.get_mut(&who) {
            standing.needs = standing.needs.saturating_sub(1);
        }
        Ok(())
    }

    /// Takes the room of a VMM that is there already, whether or not there is any.
    pub(crate) fn take_anyway(&mut self, memory_mib: u32) {
        self.taken = self.taken.and(Amount {
            vmms: 1,
            memory_mib: memory_mib.into(),
        });
    }

    /// The VMM of somebody is gone; whose it was does not matter.
    pub(crate) fn give_back(&mut self, memory_mib: u32) {
        self.taken.vmms -= 1;
        self.taken.memory_mib -= u64::from(memory_mib);
    }

    pub(crate) fn taken(&self) -> Amount {
        self.taken
    }

    /// What is needed beyond what is free and on its way.
    pub(crate) fn shortage(&self) -> Amount {
        let needed = self.needy().into_iter().map(|(_, amount)| amount);
        let needed = needed.fold(Amount::default(), Amount::and);
        let there = self.free().and(self.coming());
        Amount {
            vmms: needed.vmms.saturating_sub(there.vmms),
            memory_mib: needed.memory_mib.saturating_sub(there.memory_mib),
        }
    }

    fn free(&self) -> Amount {
        Amount {
            vmms: self.limits.vmms.saturating_sub(self.taken.vmms),
            memory_mib: self.limits.memory_mib.saturating_sub(self.taken.memory_mib),
        }
    }

    /// What is asked for and not there yet.
    fn coming(&self) -> Amount {
        self.members
            .values()
            .fold(Amount::default(), |sum, member| {
                let vmms = u32::try_from(member.asked - member.answered).unwrap_or(u32::MAX);
                sum.and(Amount {
                    vmms,
                    memory_mib: u64::from(vmms) * u64::from(member.memory_mib),
                })
            })
    }

    /// Members in need, one entry for each VMM, in order of arrival.
    fn needy(&self) -> Vec<(MemberKey, Amount)> {
        let mut needy: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| member.needs > 0)
            .collect();
        needy.sort_by_key(|(_, member)| member.since);
        let each = |(key, member): (&MemberKey, &Standing)| {
            let one = Amount {
                vmms: 1,
                memory_mib: member.memory_mib.into(),
            };
            std::iter::repeat_n((*key, one), member.needs as usize)
        };
        needy.into_iter().flat_map(each).collect()
    }

    /// What is kept for those who came before `who`, as far as it is there or on its way. What can't be met
    /// holds up nobody.
    fn promised(&self, who: MemberKey) -> Amount {
        let mut left = self.free().and(self.coming());
        let mut promised = Amount::default();
        for (other, amount) in self.needy() {
            if other == who {
                break;
            }
            if let Some(rest) = left.minus(amount) {
                left = rest;
                promised = promised.and(amount);
            }
        }
        promised
    }

    /// Asks for spares where what is free and on its way does not suffice, but would with them.
    fn settle(&mut self) -> Vec<MemberKey> {
        let mut left = self.free().and(self.coming());
        let mut asked = Vec::new();
        for (who, amount) in self.needy() {
            let mut victims = Vec::new();
            let mut with_victims = left;
            while with_victims.minus(amount).is_none() {
                let Some(victim) = self.least_valuable(who, &asked, &victims) else {
                    break;
                };
                let memory_mib = self.members.get(&victim).map_or(0, |m| m.memory_mib);
                with_victims = with_victims.and(Amount {
                    vmms: 1,
                    memory_mib: memory_mib.into(),
                });
                victims.push(victim);
            }
            if let Some(rest) = with_victims.minus(amount) {
                left = rest;
                asked.append(&mut victims);
            }
        }
        for victim in &asked {
            if let Some(member) = self.members.get_mut(victim) {
                member.asked += 1;
            }
        }
        asked
    }

    /// Whose next spare is worth least, beyond those that it was asked for.
    fn least_valuable(
        &self,
        but: MemberKey,
        asked: &[MemberKey],
        chosen: &[MemberKey],
    ) -> Option<MemberKey> {
        let next = |(key, member): (&MemberKey, &Standing)| {
            let now = asked.iter().chain(chosen).filter(|asked| *asked == key);
            let before = usize::try_from(member.asked - member.answered).unwrap_or(usize::MAX);
            let worth = member.spares.get(now.count().saturating_add(before))?;
            Some((*worth, *key))
        };
        self.members
            .iter()
            .filter(|(key, _)| **key != but)
            .filter_map(next)
            .min()
            .map(|(_, key)| key)
    }
}

impl Amount {
    fn and(self, other: Self) -> Self {
        Self {
            vmms: self.vmms.saturating_add(other.vmms),
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
        }
    }

    fn minus(self, other: Self) -> Option<Self> {
        Some(Self {
            vmms: self.vmms.checked_sub(other.vmms)?,
            memory_mib: self.memory_mib.checked_sub(other.memory_mib)?,
        })
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
