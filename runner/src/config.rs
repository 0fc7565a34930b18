//! What a runner admits.

use crate::CountLimits;

/// How much a runner takes on at once. Beyond a limit it refuses at once; queues are the pools'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunnerLimits {
    /// Programs that run or wait for a clone, those in long-lived VMs included. Default 1,024.
    pub execs: u32,
    /// Long-lived VMs, stopped ones included. Default 256, of one API key 256.
    pub vms: CountLimits,
    /// The largest disk of a long-lived VM, in MiB. Default 65,536. Disks that nobody asked to be larger have what
    /// the node gives.
    pub disk_mib: u64,
    /// Snapshots. Default 1,024, of one API key 1,024.
    pub snapshots: CountLimits,
}

impl Default for RunnerLimits {
    fn default() -> Self {
        let both = |count| CountLimits {
            total: count,
            per_key: count,
        };
        Self {
            execs: 1024,
            vms: both(256),
            disk_mib: 64 << 10,
            snapshots: both(1024),
        }
    }
}
