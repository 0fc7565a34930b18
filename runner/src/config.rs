//! What a runner admits.

/// How much a runner takes on at once. Beyond a limit it refuses at once; queues are the pools'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunnerLimits {
    /// Programs that run or wait for a clone, those in long-lived VMs included. Default 1,024.
    pub execs: u32,
    /// Long-lived VMs. Default 64.
    pub vms: u32,
}

impl Default for RunnerLimits {
    fn default() -> Self {
        Self {
            execs: 1024,
            vms: 64,
        }
    }
}
