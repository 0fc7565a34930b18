//! Long work: answered as JSON when it is done, or as events while it goes on.
//!
//! ```text
//! progress* ──► done | error
//! ```
//! A caller that hangs up drops the work. Events are made from the newest report only, at most ten in a
//! second, so a slow reader never slows the work.

use std::{convert::Infallible, future::Future, pin::Pin, time::Duration};

use axum::{
    Json,
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::stream;
use serde::Serialize;
use thaw_runner::node::image::{Progress, ProgressSink};
use tokio::sync::watch;

use crate::{convert, error::ApiError};

/// The shortest time between two reports.
const BETWEEN_REPORTS: Duration = Duration::from_millis(100);

/// Does work and answers as the caller wants it.
pub(crate) async fn answer<T, F>(events: bool, work: impl FnOnce(ProgressSink) -> F) -> Response
where
    T: Serialize + Send + 'static,
    F: Future<Output = Result<T, ApiError>> + Send + 'static,
{
    if !events {
        return match work(ProgressSink::none()).await {
            Ok(done) => Json(done).into_response(),
            Err(error) => error.into_response(),
        };
    }
    let (sink, reports) = ProgressSink::channel();
    let phase = Phase::Working {
        work: Box::pin(work(sink)),
        reports,
        reported: false,
    };
    let events = stream::unfold(phase, |phase| phase.next());
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// Where the work is.
enum Phase<T> {
    Working {
        work: Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send>>,
        reports: watch::Receiver<Progress>,
        /// A report has just been sent: the next one waits.
        reported: bool,
    },
    Ended,
}

impl<T: Serialize> Phase<T> {
    async fn next(self) -> Option<(Result<Event, Infallible>, Self)> {
        let Self::Working {
            mut work,
            mut reports,
            reported,
        } = self
        else {
            return None;
        };
        if reported && let Ok(result) = tokio::time::timeout(BETWEEN_REPORTS, &mut work).await {
            return Some((Ok(last(result)), Self::Ended));
        }
        let changed = async {
            if reports.changed().await.is_err() {
                // Nobody reports any more; the work's own end is what is left to wait for.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            result = &mut work => Some((Ok(last(result)), Self::Ended)),
            () = changed => {
                let report = convert::progress(&reports.borrow_and_update());
                let next = Self::Working { work, reports, reported: true };
                Some((Ok(event("progress", &report)), next))
            }
        }
    }
}

fn last<T: Serialize>(result: Result<T, ApiError>) -> Event {
    match result {
        Ok(done) => event("done", &done),
        Err(error) => event("error", &error.body()),
    }
}

/// An event with JSON data.
pub(crate) fn event<T: Serialize>(name: &'static str, data: &T) -> Event {
    let event = Event::default().event(name);
    match event.json_data(data) {
        Ok(event) => event,
        // Our own types serialise; if one ever does not, the reader must not wait for ever.
        Err(error) => Event::default().event("error").data(error.to_string()),
    }
}
