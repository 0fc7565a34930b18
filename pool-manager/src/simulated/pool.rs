//! One pool of a simulated node.

use std::{collections::HashMap, time::Duration};

use crate::{
    PoolSettings,
    policy::{Policy, Rules, VmmKey, WaiterKey},
};

/// A caller that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) since: Duration,
    pub(super) uses: Duration,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) policy: Policy,
    /// In the book of room.
    pub(super) member: u64,
    pub(super) memory_mib: u32,
    pub(super) callers: HashMap<WaiterKey, Caller>,
    /// When the policy is to be asked again, as far as that is planned.
    pub(super) wake: Option<Duration>,
    /// How many VMMs it was asked to give up, and how many of those it has dealt with.
    pub(super) asked: u64,
    pub(super) answered: u64,
    /// VMMs that are parked or on their way there, and since when this was looked at.
    pub(super) idle: u32,
    pub(super) idle_since: Duration,
    /// Steps under way; one that is over and not in here was given up meanwhile.
    pub(super) steps: HashMap<VmmKey, Step>,
}

/// What is done to a VMM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Spawn,
    Restore,
    Prove,
}

impl Pool {
    pub(super) fn new(rules: Rules, settings: PoolSettings, member: u64, memory_mib: u32) -> Self {
        Self {
            policy: Policy::new(rules, settings, Duration::ZERO),
            member,
            memory_mib,
            callers: HashMap::new(),
            wake: None,
            asked: 0,
            answered: 0,
            idle: 0,
            idle_since: Duration::ZERO,
            steps: HashMap::new(),
        }
    }

    /// Counts what was idle until now; returns it in MiB times seconds.
    pub(super) fn count_idle(&mut self, now: Duration) -> f64 {
        let since = now.saturating_sub(self.idle_since).as_secs_f64();
        let idle = f64::from(self.idle) * f64::from(self.memory_mib) * since;
        self.idle = self.policy.parked() + self.policy.starting();
        self.idle_since = now;
        idle
    }
}
