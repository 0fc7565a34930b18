//! What happened to VMs and snapshots, for whoever wants to follow it.
//!
//! ```text
//! publish ─► ring of the last 1,024 ─► Subscription::next: each event, or how many were missed
//! ```
//!
//! Numbers begin with the time of the daemon's start, so that a follower who comes back with one of an earlier daemon is
//! told that it missed something, and then everything of this one.
//!
//! Nobody who follows slows anybody down: a follower that falls behind the ring is told how many it missed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::clock::now_ms;

/// Events that are kept for followers who are slow or come back.
pub const KEPT_EVENTS: usize = 1024;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A VM was made.
    VmCreated,
    /// A VM was paused.
    VmPaused,
    /// A paused VM goes on.
    VmResumed,
    /// A VM was stopped, or ended by itself.
    VmStopped,
    /// A stopped VM was booted.
    VmStarted,
    /// A VM's name, metadata or times were changed.
    VmUpdated,
    /// A VM was deleted.
    VmDeleted,
    /// A snapshot was taken.
    SnapshotCreated,
    /// A snapshot's name or metadata was changed.
    SnapshotUpdated,
    /// A snapshot was deleted.
    SnapshotDeleted,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number: one more than that of the event before, beginning behind the daemon's start in microseconds since
    /// 1970-01-01 UTC.
    pub number: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// What happened.
    pub kind: EventKind,
    /// The VM's or snapshot's id.
    pub id: String,
    /// Its name then.
    pub name: Option<String>,
    /// Why, where it was not simply asked for.
    pub reason: Option<String>,
}

/// What a follower is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Something happened.
    Event(Arc<Event>),
    /// So many events are no longer kept, 0 where nobody knows how many: ask for what there is now.
    Missed(u64),
}

/// Everything that happened lately. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    ring: Arc<Mutex<VecDeque<Arc<Event>>>>,
    /// The number of the newest event; closed when no more come.
    newest: watch::Sender<Newest>,
    /// The number before the first.
    begin: u64,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    number: u64,
    closed: bool,
}

/// Follows what happens. Dropping it ends that.
#[derive(Debug)]
pub struct Subscription {
    events: Events,
    newest: watch::Receiver<Newest>,
    /// The number of the next event to tell.
    next: u64,
    /// It was last told something that this daemon did not tell.
    stranger: bool,
}

impl Events {
    pub(crate) fn new() -> Self {
        // More events than microseconds do not happen, so no later daemon comes to these numbers, and all of them are
        // whole numbers in JavaScript too.
        Self::beginning_at(now_ms().saturating_mul(1000))
    }

    fn beginning_at(begin: u64) -> Self {
        let newest = Newest {
            number: begin,
            closed: false,
        };
        Self {
            ring: Arc::default(),
            newest: watch::Sender::new(newest),
            begin,
        }
    }

    pub(crate) fn publish(
        &self,
        kind: EventKind,
        id: &str,
        name: Option<&str>,
        reason: Option<String>,
    ) {
        let mut ring = self.lock();
        let number = self.newest.borrow().number + 1;
        if ring.len() == KEPT_EVENTS {
            ring.pop_front();
        }
        ring.push_back(Arc::new(Event {
            number,
            at_ms: now_ms(),
            kind,
            id: id.to_owned(),
            name: name.map(str::to_owned),
            reason,
        }));
        // Under the lock, so that numbers are told in order.
        self.newest.send_modify(|newest| newest.number = number);
    }

    /// Tells followers that no more will come.
    pub(crate) fn close(&self) {
        self.newest.send_modify(|newest| newest.closed = true);
    }

    /// Follows what happens from now on, or from behind the event of this number.
    pub(crate) fn subscribe(&self, after: Option<u64>) -> Subscription {
        let newest = self.newest.subscribe();
        let number = newest.borrow().number;
        let stranger = after.is_some_and(|after| !(self.begin..=number).contains(&after));
        let after = match after {
            Some(_) if stranger => self.begin,
            Some(after) => after,
            None => number,
        };
        Subscription {
            events: self.clone(),
            newest,
            next: after + 1,
            stranger,
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        // Nothing between its updates can panic.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Waits for what is told next; `None` when the runner shuts down.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Told> {
        if std::mem::take(&mut self.stranger) {
            return Some(Told::Missed(0));
        }
        loop {
            let newest = *self.newest.borrow_and_update();
            if self.next <= newest.number {
                return Some(self.tell());
            }
            if newest.closed || self.newest.changed().await.is_err() {
                return None;
            }
        }
    }

    fn tell(&mut self) -> Told {
        let ring = self.events.lock();
        let oldest = ring.front().map_or(self.next, |event| event.number);
        if self.next < oldest {
            let missed = oldest - self.next;
            self.next = oldest;
            return Told::Missed(missed);
        }
        let index = usize::try_from(self.next - oldest).unwrap_or(usize::MAX);
        match ring.get(index) {
            Some(event) => {
                self.next += 1;
                Told::Event(Arc::clone(event))
            }
            // The ring ends with the newest event, so this is not reached; nothing is missed if it is.
            None => Told::Missed(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(events: &Events, count: usize) {
        for _ in 0..count {
            events.publish(EventKind::VmCreated, "vm-1", None, None);
        }
    }

    async fn number(subscription: &mut Subscription) -> u64 {
        match subscription.next().await {
            Some(Told::Event(event)) => event.number,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_follower_hears_of_what_comes_and_one_who_returns_of_what_came() {
        let events = Events::beginning_at(0);
        publish(&events, 3);
        let mut new = events.subscribe(None);
        let mut returned = events.subscribe(Some(1));
        publish(&events, 1);
        assert_eq!(number(&mut new).await, 4);
        assert_eq!(number(&mut returned).await, 2);
        assert_eq!(number(&mut returned).await, 3);
    }

    #[tokio::test]
    async fn who_returns_from_an_earlier_daemon_is_told_so_and_misses_nothing_of_this_one() {
        let earlier = Events::beginning_at(1000);
        publish(&earlier, 3);
        let events = Events::beginning_at(2000);
        publish(&events, 2);
        // Of one whose clock was ahead, too.
        for after in [1003, 3, 9999] {
            let mut stranger = events.subscribe(Some(after));
            assert_eq!(stranger.next().await, Some(Told::Missed(0)));
            assert_eq!(number(&mut stranger).await, 2001);
            assert_eq!(number(&mut stranger).await, 2002);
        }
        let now = Events::new();
        publish(&now, 1);
        assert_eq!(
            now.subscribe(Some(2002)).next().await,
            Some(Told::Missed(0))
        );
    }

    #[tokio::test]
    async fn a_slow_follower_is_told_how_many_it_missed() {
        let events = Events::beginning_at(0);
        let mut slow = events.subscribe(None);
        publish(&events, KEPT_EVENTS + 5);
        assert_eq!(slow.next().await, Some(Told::Missed(5)));
        for expected in 6..=(KEPT_EVENTS as u64 + 5) {
            assert_eq!(number(&mut slow).await, expected);
        }
    }

    #[tokio::test]
    async fn followers_end_with_the_runner_after_the_last_event() {
        let events = Events::beginning_at(0);
        let mut follower = events.subscribe(None);
        publish(&events, 1);
        events.close();
        assert_eq!(number(&mut follower).await, 1);
        assert_eq!(follower.next().await, None);
    }
}
