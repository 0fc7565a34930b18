//! Starts that fail again and again are tried less and less often.

use std::time::Duration;

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// From this many failures in a row, callers are refused at once instead of waiting for the next try.
const OPEN_AT: u32 = 3;

/// Counts failures in a row, and keeps the last one's words.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    last_error: Option<String>,
    retry_at: Duration,
}

impl Breaker {
    pub(super) fn failed(&mut self, now: Duration, error: String) {
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error);
        self.retry_at = now + (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
    }

    /// Keeps the last error for whoever looks into the pool later.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.retry_at = Duration::ZERO;
    }

    /// Whether a start may be tried; after failures only one at a time.
    pub(super) fn allows(&self, now: Duration, under_way: usize) -> bool {
        now >= self.retry_at && (self.failures == 0 || under_way == 0)
    }

    /// When callers must be refused: how long until the next try.
    pub(super) fn refuses(&self, now: Duration) -> Option<Duration> {
        let left = self.retry_at.checked_sub(now)?;
        (self.failures >= OPEN_AT && !left.is_zero()).then_some(left)
    }

    pub(super) fn retry_at(&self) -> Duration {
        self.retry_at
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_end_with_a_success() {
        let mut breaker = Breaker::default();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            breaker.failed(Duration::ZERO, "no".into());
            pauses.push(breaker.retry_at().as_millis());
        }
        assert_eq!(pauses[..4], [100, 200, 400, 800]);
        assert_eq!(pauses[11], 30_000);
        assert!(!breaker.allows(Duration::from_secs(29), 0));
        assert!(breaker.allows(Duration::from_secs(30), 0));
        assert!(!breaker.allows(Duration::from_secs(30), 1));
        breaker.succeeded();
        assert!(breaker.allows(Duration::ZERO, 5));
        assert_eq!(breaker.last_error(), Some("no"));
    }

    #[test]
    fn one_failure_lets_callers_wait_and_three_refuse_them() {
        let mut breaker = Breaker::default();
        breaker.failed(Duration::ZERO, "no".into());
        assert_eq!(breaker.refuses(Duration::ZERO), None);
        breaker.failed(Duration::ZERO, "no".into());
        breaker.failed(Duration::ZERO, "no".into());
        assert_eq!(
            breaker.refuses(Duration::from_millis(150)),
            Some(Duration::from_millis(250))
        );
    }
}
