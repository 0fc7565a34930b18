//! Who may use the CPUs to start clones: first those that a caller waits for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Bounds the starts of a node. Stocking up waits while any caller's start is under way or queued,
/// so that it never slows one; a caller's start never waits for stocking up.
#[derive(Debug)]
pub(crate) struct StartGate {
    urgent: Arc<Semaphore>,
    refills: Arc<Semaphore>,
    urgent_now: watch::Sender<u32>,
}

impl StartGate {
    /// `at_once` urgent starts and half as many others.
    pub(crate) fn new(at_once: u32) -> Arc<Self> {
        let at_once = at_once.max(1) as usize;
        Arc::new(Self {
            urgent: Arc::new(Semaphore::new(at_once)),
            refills: Arc::new(Semaphore::new(at_once.div_ceil(2))),
            urgent_now: watch::Sender::new(0),
        })
    }

    /// Waits for a turn, which lasts as long as the pass lives.
    ///
    /// # Cancel safety
    /// The turn is lost.
    pub(crate) async fn enter(self: &Arc<Self>, urgent: bool) -> Pass {
        if urgent {
            self.urgent_now.send_modify(|count| *count += 1);
            let counted = Counted(Arc::clone(self));
            return Pass {
                _permit: Arc::clone(&self.urgent).acquire_owned().await.ok(),
                _counted: Some(counted),
            };
        }
        let permit = Arc::clone(&self.refills).acquire_owned().await.ok();
        // The sender lives as long as this does.
        let _ = self
            .urgent_now
            .subscribe()
            .wait_for(|count| *count == 0)
            .await;
        Pass {
            _permit: permit,
            _counted: None,
        }
    }
}

/// A turn.
#[derive(Debug)]
pub(crate) struct Pass {
    _permit: Option<OwnedSemaphorePermit>,
    _counted: Option<Counted>,
}

#[derive(Debug)]
struct Counted(Arc<StartGate>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.urgent_now.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stocking_up_waits_for_urgent_starts_and_never_holds_them_up() {
        let gate = StartGate::new(2);
        let soon = Duration::from_secs(1);
        let refill = timeout(soon, gate.enter(false)).await.unwrap();
        let urgent = timeout(soon, gate.enter(true)).await.unwrap();
        drop(refill);
        assert!(timeout(soon, gate.enter(false)).await.is_err());
        drop(urgent);
        assert!(timeout(soon, gate.enter(false)).await.is_ok());
    }
}
