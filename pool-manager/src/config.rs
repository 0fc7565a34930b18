//! How a node is set up.

use std::{path::PathBuf, sync::Arc, time::Duration};

use thaw_image::ImageStore;
use thaw_vmm::{Engine, GuestKernel};

use crate::{MemorySetup, PoolSettings, StorageLock};

/// What a [`LocalNode`](crate::LocalNode) is made of.
#[derive(Debug)]
pub struct NodeConfig {
    /// The storage root; the node keeps it until it is dropped.
    pub storage: StorageLock,
    /// Starts VMMs.
    pub engine: Arc<dyn Engine>,
    /// Why this engine, for people.
    pub engine_reason: String,
    /// The images of the storage root.
    pub images: Arc<ImageStore>,
    /// What guests boot.
    pub kernel: Arc<GuestKernel>,
    /// How clones get their memory.
    pub memory: MemorySetup,
    /// The bounds.
    pub limits: NodeLimits,
}

impl NodeConfig {
    /// Where the images of a storage root lie.
    pub fn images_folder(storage: &StorageLock) -> PathBuf {
        storage.root().join("images")
    }
}

/// The bounds of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// VMM processes at once: shells, clones and bakes. Default 256.
    pub vmms: u32,
    /// The memory of all machines together, as if each used all of its own. Default: four fifths of the host's.
    pub memory_mib: u64,
    /// Clones that are restored or proven at once. Default: the number of CPUs.
    pub starts_at_once: u32,
    /// Callers that wait for one pool. Default 64.
    pub waiting: u32,
    /// Shells that each pool keeps. Default 2.
    pub spare_shells: u32,
    /// What a scratch disk seems to be large; it takes what is written. Default 4 GiB.
    pub scratch_bytes: u64,
    /// What must stay free on the disk beside what a bake may write. Default 256 MiB.
    pub disk_reserve_bytes: u64,
    /// How long a bake may take from the boot to the end of the trial. Default 60 s.
    pub bake_within: Duration,
    /// How long a restore and, again, a proof may take. Default 10 s.
    pub start_within: Duration,
    /// What a pool keeps to that is made on first use. Default 1 to 8 clones, idle after 300 s.
    pub pool: PoolSettings,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            vmms: 256,
            memory_mib: host_memory_mib() / 5 * 4,
            starts_at_once: cpus(),
            waiting: 64,
            spare_shells: 2,
            scratch_bytes: 4 << 30,
            disk_reserve_bytes: 256 << 20,
            bake_within: Duration::from_secs(60),
            start_within: Duration::from_secs(10),
            pool: PoolSettings {
                min: 1,
                max: 8,
                idle: Duration::from_secs(300),
            },
        }
    }
}

fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32)
}

/// The host's memory; 1 GiB where it can't be learned.
fn host_memory_mib() -> u64 {
    let info = nix::sys::sysinfo::sysinfo();
    info.map_or(1024, |info| info.ram_total() >> 20)
}
