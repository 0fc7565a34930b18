//! `/api/snapshots`, and taking one of a VM.

use std::time::Duration;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde_json::{Map, Value, json};
use thaw_api_types::limits;
use thaw_runner::{
    CreateVm, KEPT_KEY, SnapshotChange, SnapshotError, SnapshotInfo, TakeSnapshot, VmError,
    VmSource,
};

use super::{
    error::Detail,
    extract::{Id, Posted},
    failure, names,
    vm::seconds,
    vms::{keep, metadata, required_metadata},
};
use crate::{
    auth::{AuditTarget, Identity},
    state::App,
};

fn snapshot(info: &SnapshotInfo) -> Value {
    let mut metadata = info.metadata.as_object().clone();
    metadata.remove(KEPT_KEY);
    let mut body = json!({
        "id": info.id.as_str(),
        "path": null,
        "snapshot_name": info.name,
        "source_vm_id": info.vm.as_str(),
        "vcpu": info.shape.vcpus,
        "mem_mib": info.shape.memory_mib,
        "image": info.image_name.as_ref().unwrap_or(&info.image),
        "rootfs_path": null,
        "backend_rootfs_path": null,
        "network_config": null,
        "vsock_config": null,
        "metadata": metadata,
        "created_at": seconds(info.created_at_ms),
    });
    if let (Some(_), Some(body)) = (&info.unusable, body.as_object_mut()) {
        body.insert("status".to_owned(), "metadata_corrupted".into());
    }
    body
}

/// Takes a snapshot; one of the same name is replaced.
pub(crate) async fn take(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<(Extension<AuditTarget>, Json<Value>), Detail> {
    let wanted = fields.required_name("name");
    let metadata = metadata(&mut fields);
    fields.finish()?;
    let metadata = metadata.map(keep).transpose()?;
    names::vm(&app, &id)?;
    let call = TakeSnapshot {
        id: names::id_of(&wanted),
        name: wanted.clone(),
        metadata,
        owner: identity.owner(),
    };
    let taken = match app.runner.take_snapshot(&id, call.clone()).await {
        // The new one gets an id of its own: for a moment both are there.
        Err(SnapshotError::NameTaken(_)) => app.runner.replace_snapshot(&id, call).await,
        taken => taken,
    };
    match taken {
        Ok(taken) => {
            let made = AuditTarget::made([taken.id.as_str()]);
            Ok((made, Json(json!({ "snapshot_id": wanted }))))
        }
        Err(error) => Err(failed(&app, error).await),
    }
}

/// Every snapshot.
pub(crate) async fn list(State(app): State<App>) -> Json<Value> {
    let page = app.runner.snapshots(&Map::new(), None, usize::MAX);
    Json(page.items.iter().map(snapshot).collect())
}

/// Makes a VM out of a snapshot.
pub(crate) async fn restore(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<(Extension<AuditTarget>, Json<Value>), Detail> {
    let name = fields.name("name");
    let network = fields.flag("enable_networking").unwrap_or(true);
    let env = fields.environment("env_vars");
    let metadata = metadata(&mut fields);
    fields.finish()?;
    let metadata = metadata.map(keep).transpose()?;
    let taken = names::snapshot(&app, &id)?;
    let call = |name| CreateVm {
        source: VmSource::Taken(taken.id.clone()),
        name,
        disk_mib: None,
        env: env.clone(),
        metadata: metadata.clone(),
        files: Vec::new(),
        idle_timeout: None,
        max_lifetime: None,
        network,
        owner: identity.owner(),
        start_within: Duration::from_millis(limits::DEFAULT_START_TIMEOUT_MS),
    };
    let made = match name {
        Some(name) => app.runner.create_vm(call(Some(name))).await,
        // Names are unique here: the second VM of a snapshot goes without one.
        None => match app.runner.create_vm(call(default_name(&id))).await {
            Err(VmError::NameTaken(_)) => app.runner.create_vm(call(None)).await,
            made => made,
        },
    };
    match made {
        Ok(vm) => {
            let made = AuditTarget::made([vm.id.as_str()]);
            let told = json!({ "id": vm.id.as_str(), "status": "restored" });
            Ok((made, Json(told)))
        }
        Err(VmError::NoSnapshot(_) | VmError::AmbiguousSnapshot(_)) => {
            Err(Detail::not_found("Snapshot"))
        }
        Err(error) => Err(failure::made(crate::failure::vm(&app, None, &error).await)),
    }
}

/// What a VM of a snapshot is called unless it is given a name; nothing where that would be too long.
fn default_name(snapshot: &str) -> Option<String> {
    let name = format!("from-{snapshot}");
    (name.chars().count() <= limits::MAX_NAME_CHARS).then_some(name)
}

/// Removes a snapshot.
pub(crate) async fn remove(State(app): State<App>, Id(id): Id) -> Result<Json<Value>, Detail> {
    let found = names::snapshot(&app, &id)?;
    match app.runner.delete_snapshot(&found.id).await {
        Ok(_) => Ok(Json(json!({ "status": "deleted" }))),
        Err(error) => Err(failed(&app, error).await),
    }
}

/// Gives a snapshot another name; its id stays.
pub(crate) async fn rename(
    State(app): State<App>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<Json<Value>, Detail> {
    let wanted = fields.required_name("name");
    fields.finish()?;
    let found = names::snapshot(&app, &id)?;
    let change = SnapshotChange {
        name: Some(wanted.clone()),
        ..SnapshotChange::default()
    };
    match app.runner.change_snapshot(&found.id, change).await {
        Ok(_) => Ok(Json(json!({ "status": "renamed", "name": wanted }))),
        Err(error) => Err(failed(&app, error).await),
    }
}

/// Replaces a snapshot's metadata; returns the snapshot without its id.
pub(crate) async fn set_metadata(
    State(app): State<App>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<Json<Value>, Detail> {
    let wanted = required_metadata(&mut fields);
    fields.finish()?;
    let found = names::snapshot(&app, &id)?;
    let change = SnapshotChange {
        metadata: Some(keep(wanted)?),
        ..SnapshotChange::default()
    };
    let changed = match app.runner.change_snapshot(&found.id, change).await {
        Ok(changed) => changed,
        Err(error) => return Err(failed(&app, error).await),
    };
    let mut body = snapshot(&changed);
    if let Some(body) = body.as_object_mut() {
        body.remove("id");
        body.remove("path");
    }
    Ok(Json(body))
}

async fn failed(app: &App, error: SnapshotError) -> Detail {
    match error {
        SnapshotError::NotFound(_) | SnapshotError::Ambiguous(_) | SnapshotError::TooShort(_) => {
            Detail::not_found("Snapshot")
        }
        SnapshotError::Vm(VmError::Stopped { .. }) => {
            Detail::new(StatusCode::CONFLICT, "VM is not running")
        }
        SnapshotError::Vm(error) => failure::vm(app, error).await,
        other => crate::failure::snapshot(app, &other).await.into(),
    }
}
