//! VMs and snapshots.

use std::time::Duration;

use serde_json::{Map, Value};
use thaw_api_types::{
    ErrorCode, ForkVmResponse, LifecycleEvent, LifecycleKind, PausedBy, SnapshotInfo, VmInfo,
    VmState, limits,
};
use thaw_runner::{Cursor, EventKind, Metadata, VmStateKind, VmStatus};

use super::shown_env;
use crate::error::ApiError;

/// Told of a VM that was to have a network.
const NO_NETWORK: &str = "there are no networks yet: the VM was made without one";

pub(crate) fn vm(vm: thaw_runner::VmInfo) -> VmInfo {
    let expires_at = vm.expires_at_ms().map(|ms| ms / 1000);
    let (state, paused_by, stopped_reason) = match vm.state {
        VmStatus::Running => (VmState::Running, None, None),
        VmStatus::Paused(by) => (VmState::Paused, Some(paused_by(by)), None),
        VmStatus::Stopped { reason } => (VmState::Stopped, None, reason),
    };
    VmInfo {
        id: vm.id.to_string(),
        name: vm.name,
        state,
        paused_by,
        stopped_reason,
        image: vm.image_name.unwrap_or_else(|| vm.image.clone()),
        image_digest: vm.image,
        template: vm.template.to_string(),
        snapshot: vm.snapshot.map(|snapshot| snapshot.to_string()),
        vcpus: vm.shape.vcpus,
        memory_mib: vm.shape.memory_mib,
        disk_mib: vm.disk_bytes >> 20,
        env: shown_env(vm.env, &vm.metadata),
        metadata: vm.metadata.into_object(),
        created_at: vm.created_at_ms / 1000,
        idle_timeout_s: vm.idle_timeout.map(|time| time.as_secs()),
        expires_at,
        warnings: vm
            .network_wanted
            .then(|| NO_NETWORK.to_owned())
            .into_iter()
            .collect(),
    }
}

pub(crate) fn forked(forked: thaw_runner::ForkedVms) -> ForkVmResponse {
    ForkVmResponse {
        vms: forked.vms.into_iter().map(vm).collect(),
        paused_us: micros(forked.paused),
        at_rest_us: micros(forked.at_rest),
        total_us: micros(forked.total),
    }
}

pub(crate) fn snapshot(snapshot: thaw_runner::SnapshotInfo) -> SnapshotInfo {
    SnapshotInfo {
        id: snapshot.id.to_string(),
        name: snapshot.name,
        vm: snapshot.vm.to_string(),
        vm_name: snapshot.vm_name,
        image: snapshot
            .image_name
            .unwrap_or_else(|| snapshot.image.clone()),
        image_digest: snapshot.image,
        template: snapshot.template.to_string(),
        vcpus: snapshot.shape.vcpus,
        memory_mib: snapshot.shape.memory_mib,
        env: shown_env(snapshot.env, &snapshot.metadata),
        metadata: snapshot.metadata.into_object(),
        created_at: snapshot.created_at_ms / 1000,
        memory_bytes: snapshot.memory_bytes,
        disk_bytes: snapshot.disk_bytes,
        paused_us: micros(snapshot.paused),
        total_us: micros(snapshot.total),
        unusable: snapshot.unusable,
    }
}

pub(crate) fn lifecycle_event(event: &thaw_runner::Event) -> LifecycleEvent {
    LifecycleEvent {
        kind: match event.kind {
            EventKind::VmCreated => LifecycleKind::VmCreated,
            EventKind::VmPaused => LifecycleKind::VmPaused,
            EventKind::VmResumed => LifecycleKind::VmResumed,
            EventKind::VmStopped => LifecycleKind::VmStopped,
            EventKind::VmStarted => LifecycleKind::VmStarted,
            EventKind::VmUpdated => LifecycleKind::VmUpdated,
            EventKind::VmDeleted => LifecycleKind::VmDeleted,
            EventKind::SnapshotCreated => LifecycleKind::SnapshotCreated,
            EventKind::SnapshotUpdated => LifecycleKind::SnapshotUpdated,
            EventKind::SnapshotDeleted => LifecycleKind::SnapshotDeleted,
        },
        id: event.id.clone(),
        name: event.name.clone(),
        reason: event.reason.clone(),
        at_ms: event.at_ms,
    }
}

pub(crate) fn vm_state_kind(state: VmState) -> VmStateKind {
    match state {
        VmState::Running => VmStateKind::Running,
        VmState::Paused => VmStateKind::Paused,
        VmState::Stopped => VmStateKind::Stopped,
    }
}

pub(crate) fn metadata(object: Map<String, Value>) -> Result<Metadata, ApiError> {
    Metadata::new(object).map_err(|error| ApiError::of(ErrorCode::InvalidRequest, &error))
}

/// The metadata that a query wants: the text of a JSON object.
pub(crate) fn wanted_metadata(
    text: Option<&str>,
    problems: &mut Vec<String>,
) -> Map<String, Value> {
    let object = text.map(serde_json::from_str).transpose();
    object
        .unwrap_or_else(|error| {
            problems.push(format!("metadata is not a JSON object: {error}"));
            None
        })
        .unwrap_or_default()
}

/// Which page is wanted.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) limit: usize,
    pub(crate) after: Option<Cursor>,
}

impl Paging {
    pub(crate) fn read(
        limit: Option<u32>,
        cursor: Option<&str>,
        problems: &mut Vec<String>,
    ) -> Self {
        let limit = self::limit(limit, problems);
        let after = cursor.map(str::parse).transpose();
        Self {
            limit: limit as usize,
            after: after.unwrap_or_else(|error| {
                problems.push(format!("cursor: {error}"));
                None
            }),
        }
    }
}

/// How much of a list is told.
pub(crate) fn limit(asked: Option<u32>, problems: &mut Vec<String>) -> u32 {
    let limit = asked.unwrap_or(limits::DEFAULT_PAGE);
    if !(1..=limits::MAX_PAGE).contains(&limit) {
        problems.push(format!(
            "limit is {limit}; it may be 1 to {}",
            limits::MAX_PAGE
        ));
    }
    limit
}

fn paused_by(by: thaw_runner::PausedBy) -> PausedBy {
    match by {
        thaw_runner::PausedBy::Request => PausedBy::Request,
        thaw_runner::PausedBy::Idle => PausedBy::Idle,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
