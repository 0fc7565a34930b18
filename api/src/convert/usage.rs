//! What VMs use.

use thaw_api_types::{GuestUsage, HostMemory, HostUsage, VmUsage};

use super::vm;

pub(crate) fn usage(usage: thaw_runner::VmUsage) -> VmUsage {
    let vm = vm(usage.vm);
    VmUsage {
        id: vm.id,
        name: vm.name,
        state: vm.state,
        guest: usage.guest.map(|guest| GuestUsage {
            cpu_us: guest.cpu_us,
            memory_total_bytes: guest.memory_total_bytes,
            memory_available_bytes: guest.memory_available_bytes,
            disk_total_bytes: guest.disk_total_bytes,
            disk_available_bytes: guest.disk_available_bytes,
            processes: guest.processes,
        }),
        host: HostUsage {
            memory: usage.host.memory.map(|memory| HostMemory {
                proportional_bytes: memory.proportional_bytes,
                resident_bytes: memory.resident_bytes,
                private_bytes: memory.private_bytes,
            }),
            disk_bytes: usage.host.disk_bytes,
        },
    }
}
