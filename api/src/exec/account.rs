//! Each exec is counted once, however it ends.

use thaw_api_types::{ExecExit, StartKind};

use crate::{error::ApiError, state::App};

/// How an exec ended, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Succeeded,
    /// Another exit code.
    Failed,
    /// A signal.
    Signaled,
    /// Its time was up.
    TimedOut,
    /// Nothing ran, or what ran was lost.
    Error,
    /// The caller did not wait for the end.
    HungUp,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Signaled => "signaled",
            Self::TimedOut => "timed_out",
            Self::Error => "error",
            Self::HungUp => "hung_up",
        }
    }

    fn of(exit: &ExecExit) -> Self {
        if exit.timed_out {
            Self::TimedOut
        } else {
            match exit.exit_code {
                Some(0) => Self::Succeeded,
                Some(_) => Self::Failed,
                None => Self::Signaled,
            }
        }
    }
}

/// An exec that is still to be counted. Dropped uncounted, the caller has hung up.
#[derive(Debug)]
pub(super) struct Account {
    app: App,
    start: Option<StartKind>,
    counted: bool,
}

impl Account {
    pub(super) fn open(app: &App) -> Self {
        Self {
            app: app.clone(),
            start: None,
            counted: false,
        }
    }

    pub(super) fn started(&mut self, start: StartKind) {
        self.start = Some(start);
    }

    pub(super) fn ended(mut self, exit: &ExecExit) {
        self.count(Outcome::of(exit));
        self.app.metrics.stages(&exit.timings_us);
    }

    pub(super) fn failed(mut self, error: &ApiError) {
        self.count(Outcome::Error);
        self.app.metrics.exec_error(error.code());
    }

    fn count(&mut self, outcome: Outcome) {
        self.counted = true;
        self.app.metrics.exec(outcome, self.start);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.counted {
            self.count(Outcome::HungUp);
        }
    }
}
