//! What VMs use.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::VmState;

/// What a VM uses at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VmUsage {
    /// The VM's id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// What it does.
    pub state: VmState,
    /// As the guest counts it; null when the VM does not run.
    pub guest: Option<GuestUsage>,
    /// As the host counts it.
    pub host: HostUsage,
}

/// What is used inside a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuestUsage {
    /// CPU time of all its CPUs together since it was booted, as microseconds; what was spent before its template
    /// was frozen counts too.
    pub cpu_us: u64,
    /// Its memory (`MemTotal`), which is a little less than `memory_mib`.
    pub memory_total_bytes: u64,
    /// What of it programs could still have (`MemAvailable`).
    pub memory_available_bytes: u64,
    /// The size of the file system on its own disk.
    pub disk_total_bytes: u64,
    /// What is free there.
    pub disk_available_bytes: u64,
    /// Its processes, without the kernel's own.
    pub processes: u64,
}

/// What a VM takes of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostUsage {
    /// What its VMM has in the host's memory; null when the VM is stopped.
    pub memory: Option<HostMemory>,
    /// What its own disk takes of the host's; what the guest has trimmed is given back.
    pub disk_bytes: u64,
}

/// What a VM's VMM has in the host's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostMemory {
    /// Pages that it shares with other VMs count by their share (PSS): these add up over VMs.
    pub proportional_bytes: u64,
    /// All of its pages (RSS).
    pub resident_bytes: u64,
    /// Pages that it shares with nobody.
    pub private_bytes: u64,
}
