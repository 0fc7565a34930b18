//! Snapshots.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::check;

/// A snapshot to take of a VM.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeSnapshotRequest {
    /// A name, up to 128 characters, that no other snapshot has.
    pub name: String,
    /// Whatever its owner wants to note: an object of at most 64 KiB. Absent: what is noted of the VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

impl TakeSnapshotRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::name("name", &self.name, &mut problems);
        check::noted(None, self.metadata.as_ref(), &mut problems);
        problems
    }
}

/// What to change about a snapshot; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSnapshotRequest {
    /// A new name that no other snapshot has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Metadata in place of all of the old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// A JSON merge patch (RFC 7396) for the metadata: keys with null are taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata_merge: Option<Map<String, Value>>,
}

impl ChangeSnapshotRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::change(
            self.name.as_deref(),
            self.metadata.as_ref(),
            self.metadata_merge.as_ref(),
            &mut problems,
        );
        problems
    }
}

/// A snapshot of a VM; `POST /v1/vms` with `snapshot` restores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The VM that it was taken of; it may be gone.
    pub vm: String,
    /// That VM's name then.
    pub vm_name: Option<String>,
    /// The image as it was asked for, else its digest.
    pub image: String,
    /// The image's digest.
    pub image_digest: String,
    /// The template that it holds the difference to.
    pub template: String,
    /// The CPUs of VMs restored from it.
    pub vcpus: u8,
    /// Their memory in MiB.
    pub memory_mib: u32,
    /// The environment that they have unless they are given another one.
    pub env: BTreeMap<String, String>,
    /// What its owner noted.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// Memory that the VM had written since its template was frozen, in bytes.
    pub memory_bytes: u64,
    /// What it takes on disk, in bytes.
    pub disk_bytes: u64,
    /// How long the VM's CPUs stood still for it, in microseconds.
    pub paused_us: u64,
    /// How long it took until it was on the disk, in microseconds.
    pub total_us: u64,
    /// Why nothing can be restored from it; null when it can, as far as is known. All of it is checked when it is restored.
    #[serde(default)]
    pub unusable: Option<String>,
}

/// Which snapshots to list; what is absent does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SnapshotListQuery {
    /// A JSON object: each of its keys is in the metadata with an equal value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(example = r#"{"user":"ada"}"#)]
    pub metadata: Option<String>,
    /// How many to list: 1 to 1000, default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Snapshots, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotList {
    /// The snapshots.
    pub snapshots: Vec<SnapshotInfo>,
    /// Where the next page begins; null when this is the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
}
