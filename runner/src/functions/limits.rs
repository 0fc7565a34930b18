//! What functions may take together.

use std::time::Duration;

use super::CodeLimits;

/// The bounds of all functions together. Beyond a limit they refuse at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionsLimits {
    /// Invocations that run at once, of all functions. Default 256.
    pub running: u32,
    /// Invocations that wait, of all functions. Default 1,024.
    pub waiting: u32,
    /// Invocations of one function that wait for a clone at once; the others wait in its queue. Default 32: half of those that
    /// a pool lets wait.
    pub starting: u32,
    /// Functions. Default 1,000.
    pub functions: usize,
    /// Versions of one function. Default 100.
    pub versions: usize,
    /// The code of one version.
    pub code: CodeLimits,
    /// The largest event. Default 6 MiB, as AWS Lambda's.
    pub event_bytes: usize,
    /// The largest result that is collected. Default 6 MiB.
    pub result_bytes: u64,
    /// The largest answer that is streamed. Default 1 GiB.
    pub stream_bytes: u64,
    /// What is kept of each of an invocation's two log streams. Default 64 KiB.
    pub log_bytes: u64,
    /// What is kept of the logs of one function, oldest first out. Default 4 MiB.
    pub logs_bytes: usize,
    /// After the first attempt of a queued event that went wrong; four times as long after the next. Default 1 s.
    pub retry_pause: Duration,
    /// What the queued and dead events of one function may hold, and what is kept of those that are done. Beyond it
    /// no event is queued. Default 256 MiB.
    pub events_bytes: u64,
    /// How long a clone that is kept for reuse may be idle at most; a function's own `idle` may be shorter.
    /// Default 60 s.
    pub clone_idle: Duration,
}

impl Default for FunctionsLimits {
    fn default() -> Self {
        Self {
            running: 256,
            waiting: 1024,
            starting: 32,
            functions: 1000,
            versions: 100,
            code: CodeLimits::default(),
            event_bytes: 6 << 20,
            result_bytes: 6 << 20,
            stream_bytes: 1 << 30,
            log_bytes: 64 << 10,
            logs_bytes: 4 << 20,
            retry_pause: Duration::from_secs(1),
            events_bytes: 256 << 20,
            clone_idle: Duration::from_secs(60),
        }
    }
}
