//! Who a VMM runs as.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::sys;

/// The uids that VMMs run as: each VMM has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidRange {
    /// The first; above every user of the host.
    pub first: u32,
    /// How many: so many VMMs can run at once.
    pub count: u32,
}

impl Default for UidRange {
    /// 10,000 uids from 1,879,048,192 (0x7000_0000) on, which no distribution hands out.
    fn default() -> Self {
        Self {
            first: 0x7000_0000,
            count: 10_000,
        }
    }
}

/// Takes a VMM's privileges away: its own uid and gid, no groups but that of /dev/kvm, no
/// capabilities, no new privileges, no core dumps, a session of its own.
///
/// Without root there are no uids to give; the VMM then runs as the daemon's user, and
/// [`Jail::separates_users`] says so.
#[derive(Debug, Clone)]
pub struct Jail {
    uids: Option<Arc<Uids>>,
    /// Numbers of VMMs that have no uid of their own.
    without_uid: Arc<AtomicU32>,
    kvm_group: Option<u32>,
}

#[derive(Debug)]
struct Uids {
    range: UidRange,
    seats: Mutex<Vec<Seat>>,
}

/// What one uid is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seat {
    Free,
    /// By a VMM of ours.
    Taken,
    /// By a VMM that was let go and may be adopted again.
    Left,
}

impl Jail {
    /// A jail that gives uids of `range` if this process is root.
    pub fn new(range: UidRange) -> Self {
        let uids = nix::unistd::geteuid().is_root().then(|| {
            Arc::new(Uids {
                range,
                seats: Mutex::new(vec![Seat::Free; range.count as usize]),
            })
        });
        let kvm_group = std::fs::metadata("/dev/kvm").ok().map(|meta| meta.gid());
        Self {
            uids,
            without_uid: Arc::new(AtomicU32::new(range.first)),
            kvm_group,
        }
    }

    /// Whether every VMM gets a uid of its own.
    pub fn separates_users(&self) -> bool {
        self.uids.is_some()
    }

    /// How many VMMs can run at once.
    pub fn capacity(&self) -> u32 {
        self.uids.as_ref().map_or(u32::MAX, |uids| uids.range.count)
    }

    /// Reserves a uid; `None` when all are taken.
    pub(crate) fn cell(&self) -> Option<Cell> {
        let uid = match &self.uids {
            None => None,
            Some(uids) => Some(uids.take()?),
        };
        let next = || self.without_uid.fetch_add(1, Ordering::Relaxed);
        Some(Cell {
            uid,
            number: uid.unwrap_or_else(next),
            uids: self.uids.clone(),
            kvm_group: self.kvm_group,
        })
    }

    /// The place of a VMM that an earlier daemon started; `None` when another VMM has it, or when it is
    /// outside the range.
    pub(crate) fn cell_of(&self, number: u32) -> Option<Cell> {
        let uid = match &self.uids {
            None => {
                self.without_uid
                    .fetch_max(number.saturating_add(1), Ordering::Relaxed);
                None
            }
            Some(uids) => Some(uids.take_this(number)?),
        };
        Some(Cell {
            uid,
            number,
            uids: self.uids.clone(),
            kvm_group: self.kvm_group,
        })
    }
}

impl Uids {
    fn take(&self) -> Option<u32> {
        let mut seats = self.lock();
        let free = seats.iter().position(|seat| *seat == Seat::Free)?;
        seats[free] = Seat::Taken;
        Some(self.range.first + free as u32)
    }

    fn take_this(&self, uid: u32) -> Option<u32> {
        let mut seats = self.lock();
        let seat = seats.get_mut(uid.checked_sub(self.range.first)? as usize)?;
        match std::mem::replace(seat, Seat::Taken) {
            Seat::Free | Seat::Left => Some(uid),
            Seat::Taken => None,
        }
    }

    fn set(&self, uid: u32, to: Seat) {
        if let Some(seat) = self.lock().get_mut((uid - self.range.first) as usize) {
            *seat = to;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seat>> {
        // Every update is one assignment, so a panic elsewhere can't have left it half-done.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One VMM's place in the jail; its uid is free again when this is dropped, so it must outlive the process.
#[derive(Debug)]
pub(crate) struct Cell {
    uid: Option<u32>,
    number: u32,
    uids: Option<Arc<Uids>>,
    kvm_group: Option<u32>,
}

impl Cell {
    /// A number that no other VMM of this daemon has, above those that the host itself uses.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Leaves the uid to its VMM, which runs on; only an adoption gives it out again.
    pub(crate) fn leave(mut self) {
        if let (Some(uids), Some(uid)) = (self.uids.take(), self.uid) {
            uids.set(uid, Seat::Left);
        }
    }

    /// Arranges that the command gives up its privileges before it runs the VMM.
    pub(crate) fn confine(&self, command: &mut tokio::process::Command) {
        sys::confine(command, self.uid, self.kvm_group.filter(|gid| *gid != 0));
    }

    /// Makes the VMM the first to go when the host runs out of memory. Best effort: the range of
    /// values that may be set depends on the host.
    pub(crate) fn prefer_in_oom(pid: u32) -> io::Result<()> {
        std::fs::write(format!("/proc/{pid}/oom_score_adj"), "500")
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let (Some(uids), Some(uid)) = (&self.uids, self.uid) {
            uids.set(uid, Seat::Free);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_cells_share_a_uid_and_a_dropped_one_is_free_again() {
        let uids = Arc::new(Uids {
            range: UidRange { first: 7, count: 2 },
            seats: Mutex::new(vec![Seat::Free; 2]),
        });
        let jail = Jail {
            uids: Some(uids),
            without_uid: Arc::default(),
            kvm_group: None,
        };
        let first = jail.cell().unwrap();
        let second = jail.cell().unwrap();
        assert_eq!((first.uid, second.uid), (Some(7), Some(8)));
        assert!(jail.cell().is_none());
        drop(first);
        // The uid of a VMM that was adopted is its own until the VMM is gone.
        let adopted = jail.cell_of(7).unwrap();
        assert!(jail.cell().is_none() && jail.cell_of(7).is_none() && jail.cell_of(9).is_none());
        adopted.leave();
        assert!(jail.cell().is_none());
        drop(jail.cell_of(7).unwrap());
        assert_eq!(jail.cell().unwrap().uid, Some(7));
    }
}
