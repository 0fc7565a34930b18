//! What is known of a VM.

use std::{collections::BTreeMap, time::Duration};

use thaw_pool_manager::{LeaseId, SnapshotId, TemplateId, vmm::Shape};

use crate::{Metadata, catalog::Owner};

/// A VM that stays, as it was at one moment. Its row holds the same.
#[derive(Debug, Clone, PartialEq)]
pub struct VmInfo {
    /// Its id.
    pub id: LeaseId,
    /// Its name, if it has one; no other VM has it.
    pub name: Option<String>,
    /// The template that its memory began as.
    pub template: TemplateId,
    /// The image's digest.
    pub image: String,
    /// The image as it was asked for.
    pub image_name: Option<String>,
    /// The snapshot that it was restored from.
    pub snapshot: Option<SnapshotId>,
    /// The machine's size.
    pub shape: Shape,
    /// The size of its own disk.
    pub disk_bytes: u64,
    /// The environment of every program in it, added to the image's.
    pub env: BTreeMap<String, String>,
    /// What its owner noted.
    pub metadata: Metadata,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at_ms: u64,
    /// After this long without a request it is paused until the next one.
    pub idle_timeout: Option<Duration>,
    /// This long after its creation it is deleted.
    pub max_lifetime: Option<Duration>,
    /// The id of the API key that made it.
    pub owner: Owner,
    /// A network was asked for; it has none, because there are no networks yet.
    pub network_wanted: bool,
    /// What it does.
    pub state: VmStatus,
}

impl VmInfo {
    /// When it is deleted, in milliseconds since 1970-01-01 UTC.
    pub fn expires_at_ms(&self) -> Option<u64> {
        let lifetime = crate::clock::whole_ms(self.max_lifetime?);
        Some(self.created_at_ms.saturating_add(lifetime))
    }
}

/// What a VM does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmStatus {
    /// Its CPUs run.
    Running,
    /// Its CPUs are stopped, its memory is there.
    Paused(PausedBy),
    /// It is powered off, its disk is there.
    Stopped {
        /// Why, where it was not asked for.
        reason: Option<String>,
    },
}

/// Why a VM is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PausedBy {
    /// Somebody asked for it; it stays so until somebody asks for the opposite.
    Request,
    /// Nobody used it for its idle time; the next request wakes it.
    Idle,
}
