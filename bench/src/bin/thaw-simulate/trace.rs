//! A day of traffic in the shape of Azure Functions'.
//!
//! From "Serverless in the Wild" (Shahrad and others, USENIX ATC 2020): a few functions get nearly all calls
//! (their rates span eight orders of magnitude; four in five are called at most once a minute), traffic follows the
//! day and comes in bursts, timers are regular, queues come in batches, and half of the calls take less than a second
//! (log-normal).

use std::{cmp::Ordering, time::Duration};

use crate::random::Random;

/// A day in seconds.
const DAY_S: f64 = 86_400.0;

/// Parameters of the log-normal that the paper fits to mean execution times, in seconds: of the logarithm.
const TIME_MEAN: f64 = -0.38;
const TIME_DEVIATION: f64 = 2.36;
/// Longer ones are cut.
const LONGEST_S: f64 = 60.0;

/// Calls a day at the median, and how far they spread: the logarithm's deviation, to base 10.
const MEDIAN_CALLS: f64 = 60.0;
const SPREAD: f64 = 1.5;
/// Nobody calls a function more often, on average, so that a day stays within the bounds of one node.
const MOST_CALLS: f64 = 120_000.0;

/// What calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    /// Every so often.
    Timer,
    /// People: more at noon than at night, and in bursts.
    Http,
    /// Batches.
    Queue,
}

/// A call of a function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Call {
    pub(crate) at: Duration,
    pub(crate) function: usize,
    pub(crate) takes: Duration,
}

/// A day.
#[derive(Debug)]
pub(crate) struct Day {
    pub(crate) functions: usize,
    /// The memory of each function's machine, in MiB.
    pub(crate) memory_mib: Vec<u32>,
    /// In order of time.
    pub(crate) calls: Vec<Call>,
}

impl Day {
    pub(crate) const LENGTH: Duration = Duration::from_secs(86_400);

    pub(crate) fn generate(seed: u64, functions: usize) -> Self {
        let mut random = Random::new(seed);
        let (mut memory_mib, mut calls) = (Vec::new(), Vec::new());
        for function in 0..functions {
            // Each function has numbers of its own, so that it stays the same whatever the others do.
            let mut random = Random::new(random.next());
            memory_mib.push(if random.chance(0.8) { 256 } else { 512 });
            let per_day = MEDIAN_CALLS * 10_f64.powf(SPREAD * random.normal());
            let per_day = per_day.clamp(1.0, MOST_CALLS);
            let mean_s = (TIME_MEAN + TIME_DEVIATION * random.normal()).exp();
            let mean_s = mean_s.clamp(0.001, LONGEST_S);
            for at in arrivals(&mut random, per_day) {
                // Times of one function spread much less than those of all.
                let takes = mean_s * (0.5 * random.normal()).exp();
                calls.push(Call {
                    at: Duration::from_secs_f64(at),
                    function,
                    takes: Duration::from_secs_f64(takes.min(LONGEST_S)),
                });
            }
        }
        calls.sort_by(|a, b| match a.at.cmp(&b.at) {
            Ordering::Equal => a.function.cmp(&b.function),
            other => other,
        });
        Self {
            functions,
            memory_mib,
            calls,
        }
    }
}

/// When a function is called, in seconds, in no order.
fn arrivals(random: &mut Random, per_day: f64) -> Vec<f64> {
    let trigger = match random.unit() {
        part if part < 0.3 => Trigger::Timer,
        part if part < 0.8 => Trigger::Http,
        _ => Trigger::Queue,
    };
    match trigger {
        Trigger::Timer => timer(random, per_day),
        Trigger::Http => http(random, per_day),
        Trigger::Queue => queue(random, per_day),
    }
}

fn timer(random: &mut Random, per_day: f64) -> Vec<f64> {
    // People write round numbers.
    let wanted = DAY_S / per_day;
    let periods = [10.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0];
    let period = periods.into_iter().find(|period| *period >= wanted);
    let period = period.unwrap_or(DAY_S);
    let mut at = random.between(0.0, period);
    let mut calls = Vec::new();
    while at < DAY_S {
        calls.push(at);
        at += period;
    }
    calls
}

fn http(random: &mut Random, per_day: f64) -> Vec<f64> {
    let noon = random.between(0.35, 0.65);
    let mut calls = Vec::new();
    // Calm most of the time; a tenth of it eight times as many.
    let (mut at, mut until, mut factor) = (0.0, 0.0, 1.0);
    let (calm, burst) = (1.0 / 1.7, 8.0 / 1.7);
    let busiest = per_day / DAY_S * burst * 1.8;
    loop {
        // Thinning (Lewis and Shedler): arrivals of the busiest rate, of which some are kept.
        at += random.exponential(1.0 / busiest);
        if at >= DAY_S {
            return calls;
        }
        while at >= until {
            factor = if factor == burst || random.chance(0.5) {
                until += random.exponential(540.0);
                calm
            } else {
                until += random.exponential(120.0);
                burst
            };
        }
        let daily = 1.0 + 0.8 * (std::f64::consts::TAU * (at / DAY_S - noon)).cos();
        if random.chance(factor / burst * daily / 1.8) {
            calls.push(at);
        }
    }
}

fn queue(random: &mut Random, per_day: f64) -> Vec<f64> {
    let size = random.between(2.0, 40.0).min(per_day);
    let mut calls = Vec::new();
    let mut at = 0.0;
    loop {
        at += random.exponential(DAY_S * size / per_day);
        if at >= DAY_S {
            return calls;
        }
        // A batch arrives over a second or two.
        let batch = 1.0 + random.exponential(size - 1.0).min(200.0);
        for _ in 0..batch as u32 {
            calls.push((at + random.exponential(1.0)).min(DAY_S - 0.001));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_what_its_seed_says_and_has_the_shape_of_the_paper() {
        let day = Day::generate(3, 300);
        let again = Day::generate(3, 300);
        assert!(day.calls == again.calls && day.memory_mib == again.memory_mib);
        assert!(day.calls != Day::generate(4, 300).calls);
        assert!(day.calls.is_sorted_by_key(|call| call.at));
        let mut counts = vec![0_u32; day.functions];
        for call in &day.calls {
            counts[call.function] += 1;
        }
        counts.sort_unstable();
        // Four in five at most once a minute, and the busiest fifth gets nearly everything.
        let rare = counts.iter().filter(|count| **count <= 1440).count();
        assert!((0.7..0.9).contains(&(rare as f64 / 300.0)), "{rare} of 300");
        let busy: u32 = counts[240..].iter().sum();
        assert!(f64::from(busy) > 0.9 * day.calls.len() as f64);
        let short = day.calls.iter().filter(|call| call.takes.as_secs() < 1);
        assert!(short.count() * 2 > day.calls.len() / 2);
    }
}
