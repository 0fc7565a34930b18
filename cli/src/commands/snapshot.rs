//! `thaw snapshot`

use anyhow::Result;
use serde_json::Value;
use thaw_api_types::{ChangeSnapshotRequest, CreateVmRequest, SnapshotInfo, SnapshotListQuery};

use super::{
    pairs::{given, metadata},
    remove,
    vm::{create_request, show},
};
use crate::{arguments::Snapshot, exit::Exit, output, server::connect};

pub(super) async fn run(snapshot: Snapshot) -> Result<Exit> {
    match snapshot {
        Snapshot::Ls {
            metadata: entries,
            connection,
        } => {
            let wanted = given(&entries, metadata)?;
            let query = SnapshotListQuery {
                metadata: wanted.map(|object| Value::Object(object).to_string()),
                ..SnapshotListQuery::default()
            };
            let list = connect(&connection)?.snapshots(&query).await?;
            if connection.json {
                output::json(&list)?;
            } else {
                let rows: Vec<_> = list.snapshots.iter().map(row).collect();
                let head = [
                    "ID", "NAME", "VM", "IMAGE", "MEMORY", "ON DISK", "AGE", "STATE",
                ];
                output::table(&head, &rows)?;
            }
        }
        Snapshot::Inspect {
            snapshot,
            connection,
        } => output::json(&connect(&connection)?.snapshot(&snapshot).await?)?,
        Snapshot::Restore {
            snapshot,
            traits,
            connection,
        } => {
            let request = CreateVmRequest {
                snapshot: Some(snapshot),
                ..create_request(traits)?
            };
            let vm = connect(&connection)?.create_vm(&request).await?;
            return show(&vm, connection.json);
        }
        Snapshot::Rename {
            snapshot,
            name,
            connection,
        } => {
            let change = ChangeSnapshotRequest {
                name: Some(name),
                ..ChangeSnapshotRequest::default()
            };
            let client = connect(&connection)?;
            let renamed = client.change_snapshot(&snapshot, &change).await?;
            if connection.json {
                output::json(&renamed)?;
            } else {
                output::line(&renamed.id)?;
            }
        }
        Snapshot::Rm {
            snapshots,
            connection,
        } => {
            let client = connect(&connection)?;
            let delete = async |snapshot: &str| client.delete_snapshot(snapshot).await;
            return remove::each(&snapshots, connection.json, delete).await;
        }
    }
    Ok(Exit::SUCCESS)
}

fn row(snapshot: &SnapshotInfo) -> Vec<String> {
    vec![
        snapshot.id.clone(),
        snapshot.name.clone(),
        snapshot
            .vm_name
            .clone()
            .unwrap_or_else(|| snapshot.vm.clone()),
        snapshot.image.chars().take(40).collect(),
        format!("{} MiB", snapshot.memory_mib),
        output::bytes(snapshot.disk_bytes),
        output::age(snapshot.created_at),
        match &snapshot.unusable {
            None => "ok".to_owned(),
            Some(reason) => format!("unusable: {reason}"),
        },
    ]
}
