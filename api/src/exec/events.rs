//! The output as it comes, as server-sent events.
//!
//! ```text
//! (stdout | stderr)* ──► exit | error
//! ```

use std::{collections::VecDeque, convert::Infallible, time::Instant};

use axum::response::sse::Event;
use futures::{Stream, stream};
use thaw_api_types::Encoding;
use thaw_runner::node::{ExecError, ExecEvent};

use super::{account::Account, finish::finish, run::Run, text::Text};
use crate::{error::ApiError, failure, work::event};

/// A program whose events are sent. Dropped early, the caller has hung up: the program ends.
struct Sender {
    /// None once the last event is made.
    live: Option<(Run, Account)>,
    stdout: Text,
    stderr: Text,
    arrived: Instant,
    /// Made and not yet sent: at most what was held back of two streams, and the end.
    ready: VecDeque<Event>,
}

/// A program's events, beginning with the one that came already, if one did.
pub(super) fn events(
    run: Run,
    account: Account,
    first: Option<ExecEvent>,
    encoding: Encoding,
    arrived: Instant,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let mut sender = Sender {
        live: Some((run, account)),
        stdout: Text::new(encoding),
        stderr: Text::new(encoding),
        arrived,
        ready: VecDeque::new(),
    };
    if let Some(first) = first {
        sender.take(Some(Ok(first)));
    }
    stream::unfold(sender, |mut sender| async move {
        let event = sender.next().await?;
        Some((Ok(event), sender))
    })
}

impl Sender {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let (run, _) = self.live.as_mut()?;
            let came = run.next().await;
            self.take(came);
        }
    }

    fn take(&mut self, came: Option<Result<ExecEvent, ExecError>>) {
        match came {
            Some(Ok(ExecEvent::Stdout(bytes))) => {
                let chunk = self.stdout.push(&bytes);
                self.ready
                    .extend(chunk.map(|chunk| event("stdout", &chunk)));
            }
            Some(Ok(ExecEvent::Stderr(bytes))) => {
                let chunk = self.stderr.push(&bytes);
                self.ready
                    .extend(chunk.map(|chunk| event("stderr", &chunk)));
            }
            Some(Ok(ExecEvent::Exit { exit, timings })) => {
                self.flush();
                if let Some((run, account)) = self.live.take() {
                    let exit = finish(run.running(), &exit, timings, self.arrived);
                    account.ended(&exit);
                    self.ready.push_back(event("exit", &exit));
                }
            }
            Some(Err(error)) => self.fail(&failure::exec(&error)),
            None => self.fail(&failure::lost()),
        }
    }

    fn fail(&mut self, error: &ApiError) {
        self.flush();
        if let Some((_, account)) = self.live.take() {
            account.failed(error);
            self.ready.push_back(event("error", &error.body()));
        }
    }

    fn flush(&mut self) {
        let stdout = self.stdout.finish();
        self.ready
            .extend(stdout.map(|chunk| event("stdout", &chunk)));
        let stderr = self.stderr.finish();
        self.ready
            .extend(stderr.map(|chunk| event("stderr", &chunk)));
    }
}
