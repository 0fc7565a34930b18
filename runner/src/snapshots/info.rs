//! What is known of a snapshot.

use std::{collections::BTreeMap, time::Duration};

use thaw_pool_manager::{LeaseId, SnapshotId, TemplateId, vmm::Shape};

use crate::{Metadata, catalog::Owner};

/// A snapshot that a user took of a VM. Its row holds the same, but for what the node finds wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotInfo {
    /// Its id.
    pub id: SnapshotId,
    /// Its name; no other snapshot has it.
    pub name: String,
    /// The VM that it was taken of; it may be gone.
    pub vm: LeaseId,
    /// That VM's name then.
    pub vm_name: Option<String>,
    /// The template that it holds the difference to.
    pub template: TemplateId,
    /// The image's digest.
    pub image: String,
    /// The image as it was asked for.
    pub image_name: Option<String>,
    /// The machine's size.
    pub shape: Shape,
    /// The environment that VMs restored from it have unless they are given another one.
    pub env: BTreeMap<String, String>,
    /// What its owner noted.
    pub metadata: Metadata,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at_ms: u64,
    /// The id of the API key that took it.
    pub owner: Owner,
    /// Memory that the VM had written since its template was frozen.
    pub memory_bytes: u64,
    /// What it takes on disk.
    pub disk_bytes: u64,
    /// How long the VM's CPUs stood still for it.
    pub paused: Duration,
    /// How long it took until it was on the disk.
    pub total: Duration,
    /// Why nothing can be restored from it; none when it can, as far as is known.
    pub unusable: Option<String>,
}
