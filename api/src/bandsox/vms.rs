//! `/api/vms`: their life.

use std::{collections::BTreeMap, time::Duration};

use axum::{Extension, Json, extract::State};
use serde_json::{Map, Value, json};
use thaw_api_types::limits;
use thaw_runner::{
    CreateVm, KEPT_KEY, Metadata, NewFile, VmChange, VmError, VmFilter, VmInfo, VmSource,
    node::{TemplateSelector, vmm::Shape},
};

use super::{
    error::Detail,
    extract::{Asked, Id, Posted},
    failure,
    fields::Fields,
    mcp, names, vm,
};
use crate::{
    auth::{AuditTarget, Identity},
    state::App,
};

/// What a client may want at the least when it does not say: BandSox's own defaults.
const DEFAULT_MEMORY_MIB: i64 = 128;
const DEFAULT_DISK_MIB: i64 = 4096;

/// Every VM, newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Asked(mut fields): Asked,
) -> Result<Json<Value>, Detail> {
    let limit = fields.int("limit");
    let wanted = fields.text("metadata_equals");
    fields.finish()?;
    // What is no object is ignored, as BandSox does.
    let metadata: Map<String, Value> = wanted
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let filter = VmFilter {
        metadata,
        ..VmFilter::default()
    };
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0));
    let page = app.runner.vms(&filter, None, limit);
    Ok(Json(page.items.iter().map(vm::vm).collect()))
}

/// What a creation asks for, in JSON or as a form.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) name: Option<String>,
    vcpus: u8,
    memory_mib: u32,
    disk_mib: u64,
    network: bool,
    env: BTreeMap<String, String>,
    metadata: Map<String, Value>,
    mcp: Option<mcp::Servers>,
}

impl Wish {
    pub(super) fn of(fields: &mut Fields) -> Self {
        let option = fields.object("mcp").unwrap_or_default();
        let mcp = mcp::Servers::of(&option).unwrap_or_else(|problem| {
            fields.refuse("mcp", &problem);
            None
        });
        let metadata = metadata(fields).unwrap_or_default();
        let mut env = BTreeMap::new();
        if let Some(servers) = &mcp {
            env.extend(servers.variables.clone());
            fields.check_environment("mcp", &env);
        }
        // What the caller says counts more than what its servers need.
        env.extend(fields.environment("env_vars").unwrap_or_default());
        // Images are content-addressed and never stale; a new one is made with `thaw image add`.
        fields.flag("force_rebuild");
        let vcpu = fields.int("vcpu").unwrap_or(1);
        let mem_mib = fields.int("mem_mib").unwrap_or(DEFAULT_MEMORY_MIB);
        let disk_mib = fields.int("disk_size_mib").unwrap_or(DEFAULT_DISK_MIB);
        Self {
            name: fields.name("name"),
            vcpus: in_range(fields, "vcpu", vcpu, 1, i64::from(limits::MAX_VCPUS)),
            memory_mib: in_range(
                fields,
                "mem_mib",
                mem_mib,
                i64::from(limits::MIN_MEMORY_MIB),
                i64::from(limits::MAX_MEMORY_MIB),
            ),
            disk_mib: in_range(fields, "disk_size_mib", disk_mib, 1, 1 << 24),
            network: fields.flag("enable_networking").unwrap_or(true),
            env,
            metadata,
            mcp,
        }
    }
}

/// What a client notes.
pub(super) fn metadata(fields: &mut Fields) -> Option<Map<String, Value>> {
    let metadata = fields.object("metadata")?;
    if metadata.contains_key(KEPT_KEY) {
        fields.refuse("metadata", "a key of this name is Thaw's own");
    }
    Some(metadata)
}

/// What a client notes; nothing, with a problem noted, where it is not there.
pub(super) fn required_metadata(fields: &mut Fields) -> Map<String, Value> {
    fields.require("metadata");
    metadata(fields).unwrap_or_default()
}

fn in_range<T: TryFrom<i64> + Default>(
    fields: &mut Fields,
    field: &str,
    number: i64,
    least: i64,
    most: i64,
) -> T {
    if !(least..=most).contains(&number) {
        fields.refuse(
            field,
            &format!("must be {least} to {most}, and is {number}"),
        );
    }
    T::try_from(number).unwrap_or_default()
}

/// Makes a VM out of an image. Its agent is ready when this answers.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Posted(mut fields): Posted,
) -> Result<(Extension<AuditTarget>, Json<Value>), Detail> {
    let image = fields.required_text("image");
    let wish = Wish::of(&mut fields);
    fields.finish()?;
    let vm = make(&app, &identity, image, wish).await?;
    let made = AuditTarget::made([vm.id.as_str()]);
    let told = json!({ "id": vm.id.as_str(), "status": "created" });
    Ok((made, Json(told)))
}

/// Makes a VM out of an image that a wish is about.
pub(super) async fn make(
    app: &App,
    identity: &Identity,
    image: String,
    wish: Wish,
) -> Result<VmInfo, Detail> {
    let mut metadata = wish.metadata;
    if let Some(servers) = &wish.mcp {
        metadata.insert(KEPT_KEY.to_owned(), servers.redacted());
    }
    let files = wish.mcp.iter().map(|servers| NewFile {
        path: mcp::PATH.to_owned(),
        content: format!("{:#}\n", servers.file).into(),
    });
    let selector = TemplateSelector::Image {
        image,
        shape: Shape {
            vcpus: wish.vcpus,
            memory_mib: wish.memory_mib,
        },
    };
    let call = CreateVm {
        source: VmSource::Template(selector.clone()),
        name: wish.name,
        disk_mib: Some(wish.disk_mib),
        env: Some(wish.env),
        metadata: Some(keep(metadata)?),
        files: files.collect(),
        idle_timeout: None,
        max_lifetime: None,
        network: wish.network,
        owner: identity.owner(),
        start_within: Duration::from_millis(limits::DEFAULT_START_TIMEOUT_MS),
    };
    match app.runner.create_vm(call).await {
        Ok(made) => Ok(made),
        Err(error) => {
            let error = crate::failure::vm(app, Some(&selector), &error).await;
            Err(failure::made(error))
        }
    }
}

/// One VM.
pub(crate) async fn find(State(app): State<App>, Id(id): Id) -> Result<Json<Value>, Detail> {
    Ok(Json(vm::vm(&names::vm(&app, &id)?)))
}

/// Removes a VM; one that is not there is removed already.
pub(crate) async fn remove(State(app): State<App>, Id(id): Id) -> Result<Json<Value>, Detail> {
    let removed = match names::vm(&app, &id) {
        Ok(vm) => app.runner.delete_vm(vm.id.as_str()).await,
        Err(_) => Ok(()),
    };
    match removed {
        Ok(()) | Err(VmError::NotFound(_)) => Ok(Json(json!({ "status": "deleted" }))),
        Err(error) => Err(failure::vm(&app, error).await),
    }
}

/// Powers a VM off and keeps its disk.
pub(crate) async fn stop(State(app): State<App>, Id(id): Id) -> Result<Json<Value>, Detail> {
    names::vm(&app, &id)?;
    answer(&app, app.runner.stop_vm(&id).await, "stopped").await
}

/// Stops a VM's CPUs.
pub(crate) async fn pause(State(app): State<App>, Id(id): Id) -> Result<Json<Value>, Detail> {
    names::vm(&app, &id)?;
    answer(&app, app.runner.pause_vm(&id).await, "paused").await
}

/// Lets a VM's CPUs run.
pub(crate) async fn resume(State(app): State<App>, Id(id): Id) -> Result<Json<Value>, Detail> {
    names::vm(&app, &id)?;
    answer(&app, app.runner.resume_vm(&id).await, "resumed").await
}

async fn answer(
    app: &App,
    done: Result<VmInfo, VmError>,
    status: &str,
) -> Result<Json<Value>, Detail> {
    match done {
        Ok(_) => Ok(Json(json!({ "status": status }))),
        Err(VmError::Stopped { .. }) => Err(Detail::new(
            axum::http::StatusCode::CONFLICT,
            "VM is not running",
        )),
        Err(error) => Err(failure::vm(app, error).await),
    }
}

/// Gives a VM another name.
pub(crate) async fn rename(
    State(app): State<App>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<Json<Value>, Detail> {
    let name = fields.required_name("name");
    fields.finish()?;
    names::vm(&app, &id)?;
    let change = VmChange {
        name: Some(name.clone()),
        ..VmChange::default()
    };
    match app.runner.change_vm(&id, change).await {
        Ok(_) => Ok(Json(json!({ "status": "renamed", "name": name }))),
        Err(error) => Err(failure::vm(&app, error).await),
    }
}

/// Replaces a VM's metadata and returns it.
pub(crate) async fn set_metadata(
    State(app): State<App>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<Json<Value>, Detail> {
    let wanted = required_metadata(&mut fields);
    fields.finish()?;
    names::vm(&app, &id)?;
    let change = VmChange {
        metadata: Some(keep(wanted.clone())?),
        ..VmChange::default()
    };
    match app.runner.change_vm(&id, change).await {
        Ok(_) => Ok(Json(Value::Object(wanted))),
        Err(error) => Err(failure::vm(&app, error).await),
    }
}

/// Metadata that is not too large.
pub(super) fn keep(object: Map<String, Value>) -> Result<Metadata, Detail> {
    Metadata::new(object)
        .map_err(|error| Detail::new(axum::http::StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))
}
