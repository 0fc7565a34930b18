//! How many parked clones the demand asks for.

use std::time::Duration;

use crate::PoolSettings;

/// Leases older than this hardly count for the arrival rate.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Arrivals cluster; twice what the average needs is kept.
const HEADROOM: f64 = 2.0;

/// Demand must have been lower for this long before one clone less is kept.
const HOLD: Duration = Duration::from_secs(10);

/// What a start is believed to take until one has been measured.
const FIRST_GUESS: Duration = Duration::from_millis(300);

/// The weight of a new measurement of a start's time.
const NEW_WEIGHT: f64 = 0.2;

/// Little's law: arrivals per second times the seconds a new clone takes is what must be in stock.
#[derive(Debug)]
pub(super) struct Demand {
    bounds: PoolSettings,
    /// Leases per second as of `rate_at`, decaying exponentially.
    rate: f64,
    rate_at: Duration,
    time_to_park: Duration,
    target: u32,
    shrink_at: Duration,
    last_lease: Option<Duration>,
}

impl Demand {
    pub(super) fn new(bounds: PoolSettings, now: Duration) -> Self {
        Self {
            bounds,
            rate: 0.0,
            rate_at: now,
            time_to_park: FIRST_GUESS,
            target: bounds.min,
            shrink_at: now + HOLD,
            last_lease: None,
        }
    }

    pub(super) fn bounds(&self) -> PoolSettings {
        self.bounds
    }

    pub(super) fn set_bounds(&mut self, bounds: PoolSettings) {
        self.bounds = bounds;
        self.target = self.target.clamp(bounds.min, bounds.max);
    }

    pub(super) fn leased(&mut self, now: Duration) {
        self.rate = self.rate_now(now) + 1.0 / RATE_WINDOW.as_secs_f64();
        self.rate_at = now;
        self.last_lease = Some(now);
    }

    pub(super) fn started(&mut self, took: Duration) {
        let old = self.time_to_park.mul_f64(1.0 - NEW_WEIGHT);
        self.time_to_park = old + took.mul_f64(NEW_WEIGHT);
    }

    /// The number of parked clones to keep from now on.
    pub(super) fn target(&mut self, now: Duration) -> u32 {
        let wanted = self.wanted(now);
        if !self.in_use(now) {
            self.target = self.bounds.min;
        } else if wanted >= self.target {
            self.target = wanted;
            self.shrink_at = now + HOLD;
        } else if now >= self.shrink_at {
            self.target -= 1;
            self.shrink_at = now + HOLD;
        }
        self.target
    }

    /// The target as of the last look.
    pub(super) fn last_target(&self) -> u32 {
        self.target
    }

    /// Whether a clone was leased within the idle time.
    pub(super) fn in_use(&self, now: Duration) -> bool {
        self.idle_at().is_some_and(|idle_at| now < idle_at)
    }

    /// When the target, or whether the pool is in use, may change without anything else happening.
    pub(super) fn next_change(&self, now: Duration) -> Option<Duration> {
        let idle_at = self.idle_at()?;
        if self.target > self.bounds.min {
            Some(idle_at.min(self.shrink_at))
        } else {
            (now < idle_at).then_some(idle_at)
        }
    }

    fn idle_at(&self) -> Option<Duration> {
        Some(self.last_lease?.saturating_add(self.bounds.idle))
    }

    /// Leases per second, and the seconds that a new clone takes.
    pub(super) fn rate_and_time(&self, now: Duration) -> (f64, f64) {
        (self.rate_now(now), self.time_to_park.as_secs_f64())
    }

    fn wanted(&self, now: Duration) -> u32 {
        let in_stock = self.rate_now(now) * self.time_to_park.as_secs_f64() * HEADROOM;
        // A float that is too large becomes the largest integer.
        (in_stock.ceil() as u32).clamp(self.bounds.min, self.bounds.max)
    }

    fn rate_now(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.rate_at).as_secs_f64();
        self.rate * (-passed / RATE_WINDOW.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: PoolSettings = PoolSettings {
        min: 1,
        max: 8,
        idle: Duration::from_secs(300),
    };

    fn steady(demand: &mut Demand, from: Duration, every: Duration, count: u32) -> Vec<u32> {
        (0..count)
            .map(|n| {
                let now = from + every * n;
                demand.leased(now);
                demand.target(now)
            })
            .collect()
    }

    #[test]
    fn steady_load_settles_on_rate_times_start_time_and_stays_there() {
        let mut demand = Demand::new(BOUNDS, Duration::ZERO);
        let targets = steady(
            &mut demand,
            Duration::ZERO,
            Duration::from_millis(100),
            1200,
        );
        // 10 a second x 0.3 s x headroom 2.
        let settled = &targets[600..];
        assert!(settled.iter().all(|target| (6..=7).contains(target)));
        let changes = settled.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 1, "{changes} changes in a minute of steady load");
    }

    #[test]
    fn a_pool_without_leases_shrinks_step_by_step_to_its_minimum() {
        let mut demand = Demand::new(BOUNDS, Duration::ZERO);
        steady(&mut demand, Duration::ZERO, Duration::from_millis(100), 300);
        let mut now = Duration::from_secs(30);
        let mut last = demand.target(now);
        assert!(last > 1);
        while let Some(next) = demand.next_change(now) {
            now = next.max(now + Duration::from_millis(1));
            let target = demand.target(now);
            assert!(target <= last);
            last = target;
        }
        assert_eq!(last, 1);
        assert!(now < Duration::from_secs(330));
    }

    #[test]
    fn the_target_keeps_to_bounds_that_change() {
        let mut demand = Demand::new(BOUNDS, Duration::ZERO);
        demand.set_bounds(PoolSettings { min: 3, ..BOUNDS });
        assert_eq!(demand.target(Duration::ZERO), 3);
        steady(&mut demand, Duration::ZERO, Duration::from_millis(1), 1000);
        assert_eq!(demand.last_target(), 8);
        demand.set_bounds(PoolSettings {
            min: 0,
            max: 2,
            ..BOUNDS
        });
        assert_eq!(demand.target(Duration::from_secs(1)), 2);
    }
}
