//! `thaw vm ls`

use anyhow::Result;
use serde_json::Value;
use thaw_api_types::{PausedBy, VmInfo, VmListQuery, VmState};

use crate::{
    arguments::VmLs,
    commands::pairs::{given, metadata},
    exit::Exit,
    output,
    server::connect,
};

pub(super) async fn run(wanted: VmLs) -> Result<Exit> {
    let metadata = given(&wanted.metadata, metadata)?;
    let query = VmListQuery {
        state: wanted.state.map(VmState::from),
        name: wanted.name,
        image: wanted.image,
        metadata: metadata.map(|object| Value::Object(object).to_string()),
        ..VmListQuery::default()
    };
    let list = connect(&wanted.connection)?.vms(&query).await?;
    if wanted.connection.json {
        output::json(&list)?;
    } else {
        let rows: Vec<_> = list.vms.iter().map(row).collect();
        let head = ["ID", "NAME", "STATE", "IMAGE", "VCPUS", "MEMORY", "AGE"];
        output::table(&head, &rows)?;
    }
    Ok(Exit::SUCCESS)
}

fn row(vm: &VmInfo) -> Vec<String> {
    vec![
        vm.id.clone(),
        vm.name.clone().unwrap_or_default(),
        state(vm).to_owned(),
        vm.image.chars().take(40).collect(),
        vm.vcpus.to_string(),
        format!("{} MiB", vm.memory_mib),
        output::age(vm.created_at),
    ]
}

fn state(vm: &VmInfo) -> &'static str {
    match (vm.state, vm.paused_by) {
        (VmState::Paused, Some(PausedBy::Idle)) => "idle",
        (state, _) => state_word(state),
    }
}

/// A state as people read it.
pub(super) fn state_word(state: VmState) -> &'static str {
    match state {
        VmState::Running => "running",
        VmState::Paused => "paused",
        VmState::Stopped => "stopped",
    }
}
