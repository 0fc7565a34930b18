//! What invocations have said: a bounded ring for each function.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The log of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationLog {
    /// Its number among the function's invocations since the daemon's start: 1, 2, 3 and so on.
    pub sequence: u64,
    /// The invocation's id.
    pub request_id: String,
    /// The function's version.
    pub version: u64,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub ended_at_ms: u64,
    /// How long the function worked, in microseconds.
    pub duration_us: u64,
    /// What went wrong, in one line; none when it returned.
    pub error: Option<String>,
    /// What it wrote to standard output and error, in order, lossy UTF-8.
    pub text: String,
    /// More was written than is kept.
    pub truncated: bool,
}

/// Which logs are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Only what follows this sequence number.
    pub after: Option<u64>,
    /// Only that of this invocation.
    pub request_id: Option<String>,
    /// Only those of invocations that went wrong.
    pub errors: bool,
    /// The newest so many.
    pub limit: usize,
}

/// The newest logs of one function, up to a number of bytes.
#[derive(Debug)]
pub(crate) struct Logs {
    ring: Mutex<Ring>,
    most_bytes: usize,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    logs: VecDeque<InvocationLog>,
    bytes: usize,
    /// With its invocation's id.
    last_error: Option<(String, String)>,
}

/// What an entry takes besides its text.
const ENTRY_BYTES: usize = 256;

impl Logs {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self {
            ring: Mutex::default(),
            most_bytes,
            newest: watch::Sender::new(0),
        }
    }

    /// Keeps a log; its sequence number is given here. The oldest go when there are too many bytes. The newest error
    /// stays for longer than its log.
    pub(crate) fn keep(&self, log: InvocationLog) {
        if let Some(error) = &log.error {
            self.ring().last_error = Some((log.request_id.clone(), error.clone()));
        }
        self.keep_blameless(log);
    }

    /// As [`keep`](Self::keep), where what went wrong is not the function's error.
    pub(crate) fn keep_blameless(&self, mut log: InvocationLog) {
        let mut ring = self.ring();
        log.sequence = *self.newest.borrow() + 1;
        let sequence = log.sequence;
        ring.bytes += size(&log);
        ring.logs.push_back(log);
        while ring.bytes > self.most_bytes && ring.logs.len() > 1 {
            if let Some(oldest) = ring.logs.pop_front() {
                ring.bytes -= size(&oldest);
            }
        }
        self.newest.send_replace(sequence);
    }

    /// What fits the query, oldest first.
    pub(crate) fn find(&self, query: &LogQuery) -> Vec<InvocationLog> {
        let fits = |log: &&InvocationLog| {
            query.after.is_none_or(|after| log.sequence > after)
                && query
                    .request_id
                    .as_ref()
                    .is_none_or(|id| log.request_id == *id)
                && (!query.errors || log.error.is_some())
        };
        let ring = self.ring();
        let mut found: Vec<_> = ring
            .logs
            .iter()
            .rev()
            .filter(fits)
            .take(query.limit)
            .cloned()
            .collect();
        found.reverse();
        found
    }

    /// The newest error, with its invocation's id.
    pub(crate) fn last_error(&self) -> Option<(String, String)> {
        self.ring().last_error.clone()
    }

    /// Tells the newest sequence number, now and whenever it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // A panic in between leaves a wrong count of bytes at worst.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(log: &InvocationLog) -> usize {
    ENTRY_BYTES + log.text.len() + log.error.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(id: &str, text: &str, error: Option<&str>) -> InvocationLog {
        InvocationLog {
            sequence: 0,
            request_id: id.into(),
            version: 1,
            ended_at_ms: 0,
            duration_us: 0,
            error: error.map(str::to_owned),
            text: text.into(),
            truncated: false,
        }
    }

    #[test]
    fn the_oldest_logs_go_and_sequence_numbers_go_on() {
        let logs = Logs::new(3 * (ENTRY_BYTES + 10));
        for id in ["a", "b", "c", "d"] {
            logs.keep(log(id, "0123456789", None));
        }
        let found = logs.find(&LogQuery {
            limit: 10,
            ..LogQuery::default()
        });
        let ids: Vec<_> = found
            .iter()
            .map(|l| (l.sequence, l.request_id.as_str()))
            .collect();
        assert_eq!(ids, [(2, "b"), (3, "c"), (4, "d")]);
        logs.keep(log("large", &"x".repeat(100_000), Some("went wrong")));
        let query = LogQuery {
            errors: true,
            limit: 10,
            ..LogQuery::default()
        };
        assert_eq!(logs.find(&query).len(), 1);
        assert_eq!(
            logs.last_error(),
            Some(("large".into(), "went wrong".into()))
        );
    }

    #[test]
    fn the_newest_error_stays_when_its_log_is_gone() {
        let logs = Logs::new(2 * ENTRY_BYTES);
        logs.keep(log("wrong", "", Some("KeyError: 'x'")));
        for _ in 0..5000 {
            logs.keep(log("fine", "", None));
        }
        logs.keep_blameless(log("left", "", Some("the caller hung up")));
        let expected = ("wrong".to_owned(), "KeyError: 'x'".to_owned());
        assert_eq!(logs.last_error(), Some(expected));
    }

    #[test]
    fn a_query_takes_the_newest_that_fit() {
        let logs = Logs::new(1 << 20);
        for id in ["a", "b", "c"] {
            logs.keep(log(id, "", None));
        }
        let query = LogQuery {
            after: Some(1),
            limit: 1,
            ..LogQuery::default()
        };
        assert_eq!(logs.find(&query)[0].request_id, "c");
        let query = LogQuery {
            request_id: Some("a".into()),
            limit: 5,
            ..LogQuery::default()
        };
        assert_eq!(logs.find(&query).len(), 1);
        assert_eq!(*logs.watch().borrow(), 3);
    }
}
