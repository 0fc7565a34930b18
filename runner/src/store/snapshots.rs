//! The rows of snapshots.

use std::time::Duration;

use rusqlite::{Row, Transaction, named_params};
use thaw_pool_manager::{LeaseId, SnapshotId, TemplateId, vmm::Shape};

use super::{
    Store, StoreError,
    vms::{json_text, signed, unsigned},
};
use crate::{Metadata, snapshots::SnapshotInfo};

impl Store {
    /// Every snapshot, in no order.
    pub(crate) async fn snapshots(&self) -> Result<Vec<SnapshotInfo>, StoreError> {
        let attempt = "read the snapshots in";
        self.transact(attempt, move |transaction| {
            let failed = || StoreError::database(attempt);
            let mut query = transaction
                .prepare("SELECT * FROM snapshots")
                .map_err(failed())?;
            let mut rows = query.query([]).map_err(failed())?;
            let mut snapshots = Vec::new();
            while let Some(row) = rows.next().map_err(failed())? {
                snapshots.push(read(row)?);
            }
            Ok(snapshots)
        })
        .await
    }

    /// Enters a snapshot.
    pub(crate) async fn enter_snapshot(&self, snapshot: SnapshotInfo) -> Result<(), StoreError> {
        let attempt = "enter a snapshot in";
        self.transact(attempt, move |transaction| {
            insert(transaction, &snapshot).map_err(StoreError::database(attempt))
        })
        .await
    }

    /// Writes a snapshot's row anew.
    pub(crate) async fn update_snapshot(&self, snapshot: SnapshotInfo) -> Result<(), StoreError> {
        let attempt = "change a snapshot in";
        self.transact(attempt, move |transaction| {
            remove(transaction, &snapshot.id)
                .and_then(|()| insert(transaction, &snapshot))
                .map_err(StoreError::database(attempt))
        })
        .await
    }

    /// Enters a snapshot and forgets another: both, or neither and an error.
    pub(crate) async fn exchange_snapshots(
        &self,
        old: &SnapshotId,
        new: SnapshotInfo,
    ) -> Result<(), StoreError> {
        let (attempt, old) = ("exchange snapshots in", old.clone());
        self.transact(attempt, move |transaction| {
            remove(transaction, &old)
                .and_then(|()| insert(transaction, &new))
                .map_err(StoreError::database(attempt))
        })
        .await
    }

    /// Forgets a snapshot.
    pub(crate) async fn remove_snapshot(&self, id: &SnapshotId) -> Result<(), StoreError> {
        let (attempt, id) = ("remove a snapshot from", id.clone());
        self.transact(attempt, move |transaction| {
            remove(transaction, &id).map_err(StoreError::database(attempt))
        })
        .await
    }
}

fn remove(transaction: &Transaction<'_>, id: &SnapshotId) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM snapshots WHERE id = ?")?;
    statement.execute([id.as_str()])?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, snapshot: &SnapshotInfo) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO snapshots VALUES (:id, :name, :vm, :vm_name, :template, :image, :image_name, :vcpus,
            :memory_mib, :env, :metadata, :created_at_ms, :owner, :memory_bytes, :disk_bytes, :paused_us,
            :total_us)",
    )?;
    statement.execute(named_params! {
        ":id": snapshot.id.as_str(),
        ":name": snapshot.name,
        ":vm": snapshot.vm.as_str(),
        ":vm_name": snapshot.vm_name,
        ":template": snapshot.template.as_str(),
        ":image": snapshot.image,
        ":image_name": snapshot.image_name,
        ":vcpus": snapshot.shape.vcpus,
        ":memory_mib": snapshot.shape.memory_mib,
        ":env": json_text(&snapshot.env)?,
        ":metadata": json_text(snapshot.metadata.as_object())?,
        ":created_at_ms": signed(snapshot.created_at_ms),
        ":owner": snapshot.owner,
        ":memory_bytes": signed(snapshot.memory_bytes),
        ":disk_bytes": signed(snapshot.disk_bytes),
        ":paused_us": signed(whole_us(snapshot.paused)),
        ":total_us": signed(whole_us(snapshot.total)),
    })?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<SnapshotInfo, StoreError> {
    let failed = || StoreError::database("read a snapshot in");
    let id: String = row.get("id").map_err(failed())?;
    let damaged = |what: &str| StoreError::Row {
        id: id.clone(),
        what: what.to_owned(),
    };
    let known = SnapshotId::try_from(id.clone()).map_err(|_| damaged("id"))?;
    let read = || -> rusqlite::Result<_> {
        let (env, metadata): (String, String) = (row.get("env")?, row.get("metadata")?);
        let snapshot = SnapshotInfo {
            id: known,
            name: row.get("name")?,
            vm: LeaseId::new(row.get::<_, String>("vm")?),
            vm_name: row.get("vm_name")?,
            template: TemplateId::new(row.get::<_, String>("template")?),
            image: row.get("image")?,
            image_name: row.get("image_name")?,
            shape: Shape {
                vcpus: row.get("vcpus")?,
                memory_mib: row.get("memory_mib")?,
            },
            env: Default::default(),
            metadata: Metadata::default(),
            created_at_ms: unsigned(row.get("created_at_ms")?),
            owner: row.get("owner")?,
            memory_bytes: unsigned(row.get("memory_bytes")?),
            disk_bytes: unsigned(row.get("disk_bytes")?),
            paused: time(row.get("paused_us")?),
            total: time(row.get("total_us")?),
            unusable: None,
        };
        Ok((snapshot, env, metadata))
    };
    let (mut snapshot, env, metadata) = read().map_err(failed())?;
    snapshot.env = serde_json::from_str(&env).map_err(|_| damaged("env"))?;
    let metadata = serde_json::from_str(&metadata).map_err(|_| damaged("metadata"))?;
    snapshot.metadata = Metadata::new(metadata).map_err(|_| damaged("metadata"))?;
    Ok(snapshot)
}

fn whole_us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn time(us: i64) -> Duration {
    Duration::from_micros(unsigned(us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_snapshots_row_is_there_after_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.db");
        let mut snapshot = SnapshotInfo {
            id: SnapshotId::try_from("before-upgrade".to_owned()).unwrap(),
            name: "before the upgrade".to_owned(),
            vm: LeaseId::new("vm-1"),
            vm_name: None,
            template: TemplateId::new("0123456789abcdef"),
            image: "sha256:00".to_owned(),
            image_name: None,
            shape: Shape {
                vcpus: 1,
                memory_mib: 128,
            },
            env: [("A".to_owned(), "1".to_owned())].into(),
            metadata: Metadata::default(),
            created_at_ms: 5,
            owner: None,
            memory_bytes: 10,
            disk_bytes: 20,
            paused: Duration::from_micros(30),
            total: Duration::from_micros(40),
            unusable: None,
        };
        let store = Store::open(&path).unwrap();
        store.enter_snapshot(snapshot.clone()).await.unwrap();
        snapshot.name = "after".to_owned();
        store.update_snapshot(snapshot.clone()).await.unwrap();
        let old = snapshot.id.clone();
        snapshot.id = SnapshotId::try_from("snap-2".to_owned()).unwrap();
        let exchanged = store.exchange_snapshots(&old, snapshot.clone()).await;
        exchanged.unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.snapshots().await.unwrap(), [snapshot.clone()]);
        store.remove_snapshot(&snapshot.id).await.unwrap();
        assert_eq!(store.snapshots().await.unwrap(), []);
    }
}
