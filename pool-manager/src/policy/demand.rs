//! How many parked clones the demand asks for.
//!
//! ```text
//! a lease ─► rates ─► arrivals while a clone is made ─► wanted ─┬─ more than the target ─► the target, at once
//!                                                               └─ less, for as long as HOLD ─► the most that was
//!                                                                    wanted meanwhile
//! no lease for as long as `idle` ─► the minimum
//! ```

use std::time::Duration;

use crate::PoolSettings;

/// Leases older than this hardly count for the arrival rate; the greater of the two rates counts. The short one
/// sees a burst when it begins, the long one does not forget the load while that pauses.
const RATE_WINDOWS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// How far the number of arrivals goes beyond its mean, in standard deviations: square-root staffing. Two cover 19 of
/// 20 of such times when arrivals are independent of each other.
const DEVIATIONS: f64 = 2.0;

/// Demand must have been lower for this long before less is kept. Longer than bursts are apart, so that a steady
/// load has a steady target.
const HOLD: Duration = Duration::from_secs(60);

/// What a start is believed to take until one has been measured.
const FIRST_GUESS: Duration = Duration::from_millis(300);

/// The weight of a new measurement of a start's time.
const NEW_WEIGHT: f64 = 0.2;

/// Little's law: arrivals per second times the seconds a new clone takes are the arrivals that must be met from
/// the stock.
#[derive(Debug)]
pub(super) struct Demand {
    bounds: PoolSettings,
    /// Leases per second as of `rates_at`, decaying exponentially.
    rates: [f64; 2],
    rates_at: Duration,
    time_to_park: Duration,
    target: u32,
    /// When the target may become smaller, and the most that was wanted since that was set.
    shrink_at: Duration,
    wanted_since: u32,
    last_use: Option<Duration>,
}

impl Demand {
    pub(super) fn new(bounds: PoolSettings, now: Duration) -> Self {
        Self {
            bounds,
            rates: [0.0; 2],
            rates_at: now,
            time_to_park: FIRST_GUESS,
            target: bounds.min,
            shrink_at: now + HOLD,
            wanted_since: bounds.min,
            last_use: None,
        }
    }

    pub(super) fn bounds(&self) -> PoolSettings {
        self.bounds
    }

    pub(super) fn set_bounds(&mut self, bounds: PoolSettings) {
        self.bounds = bounds;
        self.target = self.target.clamp(bounds.min, bounds.max);
        self.wanted_since = self.wanted_since.clamp(bounds.min, bounds.max);
    }

    pub(super) fn leased(&mut self, now: Duration) {
        self.rates = self.rates_now(now);
        for (rate, window) in self.rates.iter_mut().zip(RATE_WINDOWS) {
            *rate += 1.0 / window.as_secs_f64();
        }
        self.rates_at = now;
        self.used(now);
    }

    /// The pool was of use, in whatever way.
    pub(super) fn used(&mut self, now: Duration) {
        self.last_use = Some(now);
    }

    pub(super) fn started(&mut self, took: Duration) {
        let old = self.time_to_park.mul_f64(1.0 - NEW_WEIGHT);
        self.time_to_park = old + took.mul_f64(NEW_WEIGHT);
    }

    /// The number of parked clones to keep from now on.
    pub(super) fn target(&mut self, now: Duration) -> u32 {
        let wanted = self.wanted(now);
        self.wanted_since = self.wanted_since.max(wanted);
        if !self.in_use(now) {
            self.set_target(self.bounds.min, wanted, now);
        } else if wanted > self.target {
            self.set_target(wanted, wanted, now);
        } else if now >= self.shrink_at {
            self.set_target(self.wanted_since, wanted, now);
        }
        self.target
    }

    fn set_target(&mut self, target: u32, wanted: u32, now: Duration) {
        self.target = target;
        self.wanted_since = wanted;
        self.shrink_at = now + HOLD;
    }

    /// The target as of the last look.
    pub(super) fn last_target(&self) -> u32 {
        self.target
    }

    /// Whether it was of use within the idle time.
    pub(super) fn in_use(&self, now: Duration) -> bool {
        self.last_use
            .is_some_and(|last| now.saturating_sub(last) < self.bounds.idle)
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
        Some(self.last_use?.saturating_add(self.bounds.idle))
    }

    /// Leases per second, and the seconds that a new clone takes.
    pub(super) fn rate_and_time(&self, now: Duration) -> (f64, f64) {
        (self.rate_now(now), self.time_to_park.as_secs_f64())
    }

    fn wanted(&self, now: Duration) -> u32 {
        let arrivals = self.rate_now(now) * self.time_to_park.as_secs_f64();
        let in_stock = arrivals + DEVIATIONS * arrivals.sqrt();
        // A float that is too large becomes the largest integer.
        (in_stock.ceil() as u32).clamp(self.bounds.min, self.bounds.max)
    }

    /// The greater of the two rates. One lease alone is no burst.
    fn rate_now(&self, now: Duration) -> f64 {
        let [short, long] = self.rates_now(now);
        long.max(short - 1.0 / RATE_WINDOWS[0].as_secs_f64())
    }

    fn rates_now(&self, now: Duration) -> [f64; 2] {
        let passed = now.saturating_sub(self.rates_at).as_secs_f64();
        let mut rates = self.rates;
        for (rate, window) in rates.iter_mut().zip(RATE_WINDOWS) {
            *rate *= (-passed / window.as_secs_f64()).exp();
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        // 10 a second x 0.3 s, and two deviations of that.
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

    #[test]
    fn a_burst_is_met_while_it_lasts() {
        let mut demand = Demand::new(BOUNDS, Duration::ZERO);
        // Ten within half a second, out of nothing.
        let targets = steady(&mut demand, Duration::ZERO, Duration::from_millis(50), 10);
        assert_eq!(targets[0], 1);
        assert!(targets[9] >= 6, "{targets:?}");
    }

    #[test]
    fn one_call_now_and_then_keeps_one_clone() {
        let mut demand = Demand::new(PoolSettings { min: 0, ..BOUNDS }, Duration::ZERO);
        let targets = steady(&mut demand, Duration::ZERO, Duration::from_secs(30), 50);
        assert!(targets.iter().all(|target| *target == 1), "{targets:?}");
    }

    /// Targets after each arrival of ten minutes of independent arrivals, after two of warming up.
    fn of_independent_arrivals(per_second: f64, parts: &[f64]) -> Vec<u32> {
        let bounds = PoolSettings {
            max: 1000,
            ..BOUNDS
        };
        let mut demand = Demand::new(bounds, Duration::ZERO);
        let (mut at, mut targets, mut next) = (0.0, Vec::new(), 0);
        while at < 720.0 {
            at += -(1.0 - parts[next % parts.len()]).ln() / per_second;
            next += 1;
            let now = Duration::from_secs_f64(at);
            demand.leased(now);
            let target = demand.target(now);
            if at > 120.0 {
                targets.push(target);
            }
        }
        targets
    }

    proptest! {
        #[test]
        fn a_regular_load_of_any_rate_has_one_target(every_ms in 5u64..5000) {
            let bounds = PoolSettings { max: 1000, ..BOUNDS };
            let mut demand = Demand::new(bounds, Duration::ZERO);
            let every = Duration::from_millis(every_ms);
            let count = 600_000 / every_ms as u32;
            let targets = steady(&mut demand, Duration::ZERO, every, count);
            let settled = &targets[targets.len() / 3..];
            prop_assert!(settled.iter().all(|target| *target == settled[0]), "{:?}", settled);
        }

        #[test]
        fn a_steady_load_lowers_its_target_once_a_minute_at_most_and_keeps_near_what_it_needs(
            per_second in 0.05f64..20.0,
            parts in prop::collection::vec(0.0f64..0.999_999, 997),
        ) {
            let targets = of_independent_arrivals(per_second, &parts);
            let lowered = targets.windows(2).filter(|pair| pair[1] < pair[0]).count();
            prop_assert!(lowered <= 11, "{} times in ten minutes", lowered);
            let arrivals = per_second * FIRST_GUESS.as_secs_f64();
            for target in targets {
                let target = f64::from(target);
                prop_assert!(target >= arrivals.floor(), "{} for {}", target, arrivals);
                // Bursts of chance count, too; what they ask for stays in proportion.
                prop_assert!(target <= 3.0 * arrivals + 8.0, "{} for {}", target, arrivals);
            }
        }
    }
}
