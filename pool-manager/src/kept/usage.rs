//! What a VM takes of its host.

use std::os::unix::fs::MetadataExt as _;

use super::{KeptVms, table::control};
use crate::{HostMemory, HostUsage, LeaseId, VmError};

/// What `st_blocks` counts in (stat(2)).
const BLOCK_BYTES: u64 = 512;

impl KeptVms {
    pub(crate) async fn host_usage(&self, id: &LeaseId) -> Result<HostUsage, VmError> {
        let vm = self.vm(id)?;
        let memory = match vm.machine().await {
            None => None,
            Some(machine) => {
                let figures = machine.memory().await;
                let figures = figures.map_err(control(id, "look at the memory of"))?;
                Some(HostMemory {
                    proportional_bytes: figures.pss_bytes,
                    resident_bytes: figures.rss_bytes,
                    private_bytes: figures.private_bytes,
                })
            }
        };
        let disk = self.on_disk(id, "look at", |folders, id| {
            Ok(folders.scratch(id)?.metadata()?.blocks() * BLOCK_BYTES)
        });
        Ok(HostUsage {
            memory,
            disk_bytes: disk.await?,
        })
    }
}
