//! Carries out what the admission decides.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    admission::{Admission, Arrival, Share, Ticket},
    error::InvokeError,
};

/// When it is worth another try while every place is taken.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where events wait for a place. Bounded by the shares that it is given.
#[derive(Debug, Clone)]
pub(crate) struct Desk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    admission: Admission,
    next: Ticket,
    /// Those who wait, until they run; a place that nobody takes passes on.
    calls: HashMap<Ticket, Call>,
}

#[derive(Debug)]
struct Call {
    function: String,
    seat: oneshot::Sender<Result<Seat, InvokeError>>,
}

/// A place. Dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Seat {
    desk: Desk,
    function: String,
    /// Whoever has it has no clone yet.
    is_starting: bool,
}

impl Desk {
    pub(crate) fn new(all: Share) -> Self {
        Self(Arc::new(Mutex::new(State {
            admission: Admission::new(all),
            next: 0,
            calls: HashMap::new(),
        })))
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`InvokeError::Full`], at once or when the place to wait goes to one of whom fewer wait, or
    /// [`InvokeError::TimedOut`].
    ///
    /// # Cancel safety
    /// It waits no more.
    pub(crate) async fn enter(
        &self,
        function: &str,
        key: &str,
        share: Share,
        within: Duration,
    ) -> Result<Seat, InvokeError> {
        let mut called = {
            let mut state = self.state();
            let ticket = state.next;
            state.next += 1;
            match state.admission.arrive(ticket, function, key, share) {
                Arrival::Runs => return Ok(self.seat(function)),
                Arrival::Refused { waiting } => {
                    let running = state.admission.of(function).0;
                    return Err(full(function, running, waiting));
                }
                Arrival::Waits { instead_of } => {
                    if let Some(call) =
                        instead_of.and_then(|pushed_out| state.calls.remove(&pushed_out))
                    {
                        call.push_out(&state.admission);
                    }
                }
            }
            let (seat, called) = oneshot::channel();
            let function_name = function.to_owned();
            let call = Call {
                function: function_name,
                seat,
            };
            state.calls.insert(ticket, call);
            Waiting {
                desk: self,
                ticket,
                function,
                key,
                called,
            }
        };
        match tokio::time::timeout(within, &mut called.called).await {
            Ok(Ok(called)) => called,
            // The sender is kept until it is used.
            Ok(Err(_)) | Err(_) => Err(InvokeError::TimedOut(within)),
        }
    }

    /// What runs and waits of a function.
    pub(crate) fn of(&self, function: &str) -> (u32, u32) {
        self.state().admission.of(function)
    }

    fn seat(&self, function: &str) -> Seat {
        Seat {
            desk: self.clone(),
            function: function.to_owned(),
            is_starting: true,
        }
    }

    /// Gives a place to each that is called.
    fn call(&self, mut state: MutexGuard<'_, State>, called: Vec<Ticket>) {
        let calls: Vec<_> = called
            .into_iter()
            .filter_map(|ticket| state.calls.remove(&ticket))
            .collect();
        drop(state);
        for Call { function, seat } in calls {
            // One that has left gives the place back when it is dropped here.
            let _ = seat.send(Ok(self.seat(&function)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The admission's steps don't panic, and the table follows it in the same call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// Tells one that waits that its place went to somebody else.
    fn push_out(self, admission: &Admission) {
        let (running, waiting) = admission.of(&self.function);
        // One that has left needs no word.
        let _ = self.seat.send(Err(full(&self.function, running, waiting)));
    }
}

fn full(function: &str, running: u32, waiting: u32) -> InvokeError {
    InvokeError::Full {
        what: format!("function {function:?} serves {running} events, and {waiting} wait already"),
        retry_after: RETRY_AFTER,
    }
}

/// Somebody who waits. Dropped, it gives up, or passes on the place that it was just given.
struct Waiting<'a> {
    desk: &'a Desk,
    ticket: Ticket,
    function: &'a str,
    key: &'a str,
    called: oneshot::Receiver<Result<Seat, InvokeError>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        if state.calls.remove(&self.ticket).is_some() {
            let (ticket, function, key) = (self.ticket, self.function, self.key);
            state.admission.give_up(ticket, function, key);
        }
        drop(state);
        // A seat that arrived in this moment is in the receiver, and is dropped, so passed on, with it.
    }
}

impl Seat {
    /// Whoever has it has a clone now, so another one may look for one.
    pub(crate) fn started(&mut self) {
        if std::mem::take(&mut self.is_starting) {
            let mut state = self.desk.state();
            let called = state.admission.started(&self.function);
            self.desk.call(state, called);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        let called = state.admission.leave(&self.function, self.is_starting);
        self.desk.call(state, called);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Share = Share {
        running: 1,
        waiting: 1,
        starting: u32::MAX,
    };

    #[tokio::test]
    async fn a_place_passes_on_when_it_is_given_back_and_when_whoever_waits_leaves() {
        let desk = Desk::new(Share {
            running: 4,
            waiting: 4,
            starting: u32::MAX,
        });
        let within = Duration::from_secs(60);
        let enter = || desk.enter("f", "k", SHARE, within);
        let first = enter().await.unwrap();
        let second = tokio::join!(enter(), async {
            assert!(matches!(enter().await, Err(InvokeError::Full { .. })));
            drop(first);
        });
        let second = second.0.unwrap();
        let short = desk.enter("f", "k", SHARE, Duration::from_millis(1)).await;
        assert!(matches!(short, Err(InvokeError::TimedOut(_))));
        assert_eq!(desk.of("f"), (1, 0));
        // One that leaves in the moment in which it is called gives its place back.
        let mut leaving = Box::pin(enter());
        assert!(futures::poll!(&mut leaving).is_pending());
        drop(second);
        drop(leaving);
        assert_eq!(desk.of("f"), (0, 0));
    }

    #[tokio::test]
    async fn whoever_is_pushed_out_is_told_at_once_and_the_other_gets_the_place() {
        let desk = Desk::new(Share {
            running: 1,
            waiting: 9,
            starting: u32::MAX,
        });
        let within = Duration::from_secs(60);
        let two = Share {
            waiting: 2,
            ..SHARE
        };
        let enter = |key| Box::pin(desk.enter("f", key, two, within));
        let first = enter("busy").await.unwrap();
        let (mut waits, mut pushed_out, mut calm) = (enter("busy"), enter("busy"), enter("calm"));
        assert!(futures::poll!(&mut waits).is_pending());
        assert!(futures::poll!(&mut pushed_out).is_pending());
        assert!(futures::poll!(&mut calm).is_pending());
        assert!(matches!(pushed_out.await, Err(InvokeError::Full { .. })));
        assert_eq!(desk.of("f"), (1, 2));
        drop(first);
        drop(waits.await.unwrap());
        drop(calm.await.unwrap());
        assert_eq!(desk.of("f"), (0, 0));
    }
}
