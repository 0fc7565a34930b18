//! What happens to VMs and snapshots, as server-sent events of `GET /v1/events`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What happened: the name of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum LifecycleKind {
    /// A VM was made, restored or forked.
    #[serde(rename = "vm.created")]
    VmCreated,
    /// A VM was paused.
    #[serde(rename = "vm.paused")]
    VmPaused,
    /// A paused VM goes on.
    #[serde(rename = "vm.resumed")]
    VmResumed,
    /// A VM was stopped, or ended by itself.
    #[serde(rename = "vm.stopped")]
    VmStopped,
    /// A stopped VM was booted.
    #[serde(rename = "vm.started")]
    VmStarted,
    /// A VM's name, metadata or times were changed.
    #[serde(rename = "vm.updated")]
    VmUpdated,
    /// A VM was deleted.
    #[serde(rename = "vm.deleted")]
    VmDeleted,
    /// A snapshot was taken.
    #[serde(rename = "snapshot.created")]
    SnapshotCreated,
    /// A snapshot's name or metadata was changed.
    #[serde(rename = "snapshot.updated")]
    SnapshotUpdated,
    /// A snapshot was deleted.
    #[serde(rename = "snapshot.deleted")]
    SnapshotDeleted,
    /// An event of a later version.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl LifecycleKind {
    /// The name as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VmCreated => "vm.created",
            Self::VmPaused => "vm.paused",
            Self::VmResumed => "vm.resumed",
            Self::VmStopped => "vm.stopped",
            Self::VmStarted => "vm.started",
            Self::VmUpdated => "vm.updated",
            Self::VmDeleted => "vm.deleted",
            Self::SnapshotCreated => "snapshot.created",
            Self::SnapshotUpdated => "snapshot.updated",
            Self::SnapshotDeleted => "snapshot.deleted",
            Self::Unknown => "unknown",
        }
    }
}

/// Something that happened: the data of an event, whose id is its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LifecycleEvent {
    /// What happened.
    pub kind: LifecycleKind,
    /// The VM's or snapshot's id.
    pub id: String,
    /// Its name then.
    pub name: Option<String>,
    /// Why, where it was not simply asked for.
    pub reason: Option<String>,
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
}

/// The data of the event `missed`: the reader was too slow, or away for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissedEvents {
    /// So many events are lost, 0 where nobody knows how many; list what there is now.
    pub count: u64,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only those of the VM or snapshot of this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_reads_as_it_is_written() {
        for kind in [
            LifecycleKind::VmCreated,
            LifecycleKind::VmPaused,
            LifecycleKind::VmResumed,
            LifecycleKind::VmStopped,
            LifecycleKind::VmStarted,
            LifecycleKind::VmUpdated,
            LifecycleKind::VmDeleted,
            LifecycleKind::SnapshotCreated,
            LifecycleKind::SnapshotUpdated,
            LifecycleKind::SnapshotDeleted,
        ] {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.as_str()));
        }
        let later: LifecycleKind = serde_json::from_str("\"vm.cloned\"").unwrap();
        assert_eq!(later, LifecycleKind::Unknown);
    }
}
