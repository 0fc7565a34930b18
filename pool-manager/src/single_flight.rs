//! One piece of work for all who ask for the same thing at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thaw_image::{Progress, ProgressSink};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// Work under way, by key. The work is a task of its own: callers come and go, it goes on, and all of them hear how
/// far it is.
///
/// Callers are not bounded here: each is a request that was admitted before.
#[derive(Debug)]
pub(crate) struct SingleFlight<K, V> {
    flights: Arc<Mutex<HashMap<K, Joined<V>>>>,
    tracker: TaskTracker,
}

impl<K, V> SingleFlight<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(tracker: TaskTracker) -> Self {
        Self {
            flights: Arc::default(),
            tracker,
        }
    }

    /// Joins the work under way for `key`, or begins it.
    pub(crate) fn join<W>(&self, key: &K, work: impl FnOnce(ProgressSink) -> W) -> Joined<V>
    where
        W: Future<Output = V> + Send + 'static,
    {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(key) {
            return flight.clone();
        }
        let (sender, outcome) = watch::channel(None);
        let (sink, reports) = ProgressSink::channel();
        let joined = Joined { outcome, reports };
        flights.insert(key.clone(), joined.clone());
        drop(flights);
        let work = work(sink);
        let landing = Landing {
            flights: Arc::clone(&self.flights),
            key: key.clone(),
        };
        self.tracker.spawn(async move {
            let value = work.await;
            // First no longer to be joined, then done: who comes later begins anew.
            drop(landing);
            sender.send_replace(Some(value));
        });
        joined
    }
}

/// Takes a flight off the table, even when its work panicked or was aborted.
struct Landing<K: Eq + Hash, V> {
    flights: Arc<Mutex<HashMap<K, Joined<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}

/// Work that was joined.
#[derive(Debug, Clone)]
pub(crate) struct Joined<V> {
    outcome: watch::Receiver<Option<V>>,
    reports: watch::Receiver<Progress>,
}

impl<V: Clone> Joined<V> {
    /// The outcome; none when the work was lost (it panicked, or the node shuts down). Until then `progress` hears how
    /// far it is.
    ///
    /// # Cancel safety
    /// Nothing is lost, and the work goes on.
    pub(crate) async fn outcome(&mut self, progress: &ProgressSink) -> Option<V> {
        let Self { outcome, reports } = self;
        let pass_on = async {
            while reports.changed().await.is_ok() {
                progress.report(reports.borrow_and_update().clone());
            }
            // Nobody reports any more; the outcome is what is left to wait for.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            outcome = outcome.wait_for(Option::is_some) => outcome.ok().and_then(|outcome| outcome.clone()),
            () = pass_on => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every update is one insert or remove, so a panic elsewhere can't have left it half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn all_who_ask_share_one_piece_of_work_and_leaving_does_not_stop_it() {
        let flights = SingleFlight::new(TaskTracker::new());
        let none = ProgressSink::none();
        let (count, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let join = || {
            let (count, go) = (Arc::clone(&count), Arc::clone(&go));
            flights.join(&"key", move |progress| async move {
                count.fetch_add(1, Ordering::Relaxed);
                progress.report(Progress::Storing);
                go.notified().await;
                42
            })
        };
        let (first, mut second, mut third) = (join(), join(), join());
        drop(first);
        let (told, mut heard) = ProgressSink::channel();
        let both = async { (second.outcome(&told).await, third.outcome(&none).await) };
        let until_told = async {
            heard
                .wait_for(|progress| *progress == Progress::Storing)
                .await
                .unwrap();
            go.notify_one();
        };
        let (both, ()) = tokio::join!(both, until_told);
        assert_eq!(both, (Some(42), Some(42)));
        assert_eq!(count.load(Ordering::Relaxed), 1);
        go.notify_one();
        assert_eq!(join().outcome(&none).await, Some(42));
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn work_that_panics_is_reported_as_lost_and_can_be_begun_again() {
        let flights = SingleFlight::new(TaskTracker::new());
        let none = ProgressSink::none();
        let mut lost = flights.join(&1, |_| async { panic!("on purpose") });
        assert_eq!(lost.outcome(&none).await, None::<u32>);
        let mut again = flights.join(&1, |_| async { 7 });
        assert_eq!(again.outcome(&none).await, Some(7));
    }
}
