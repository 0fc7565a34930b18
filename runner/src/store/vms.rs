//! The rows of VMs.

use std::time::Duration;

use rusqlite::{Row, Transaction, named_params};
use thaw_pool_manager::{LeaseId, SnapshotId, TemplateId, vmm::Shape};

use super::{Store, StoreError};
use crate::{
    Metadata,
    clock::whole_ms,
    vms::{PausedBy, VmInfo, VmStatus},
};

impl Store {
    /// Every VM, in no order.
    pub(crate) async fn vms(&self) -> Result<Vec<VmInfo>, StoreError> {
        let attempt = "read the VMs in";
        self.transact(attempt, move |transaction| {
            let failed = || StoreError::database(attempt);
            let mut query = transaction.prepare("SELECT * FROM vms").map_err(failed())?;
            let mut rows = query.query([]).map_err(failed())?;
            let mut vms = Vec::new();
            while let Some(row) = rows.next().map_err(failed())? {
                vms.push(read(row)?);
            }
            Ok(vms)
        })
        .await
    }

    /// Enters VMs: all of them, or none and an error.
    pub(crate) async fn enter_vms(&self, vms: Vec<VmInfo>) -> Result<(), StoreError> {
        let attempt = "enter a VM in";
        self.transact(attempt, move |transaction| {
            for vm in &vms {
                insert(transaction, vm).map_err(StoreError::database(attempt))?;
            }
            Ok(())
        })
        .await
    }

    /// Writes a VM's row anew.
    pub(crate) async fn update_vm(&self, vm: VmInfo) -> Result<(), StoreError> {
        let attempt = "change a VM in";
        self.transact(attempt, move |transaction| {
            remove(transaction, &vm.id)
                .and_then(|()| insert(transaction, &vm))
                .map_err(StoreError::database(attempt))
        })
        .await
    }

    /// Forgets a VM.
    pub(crate) async fn remove_vm(&self, id: &LeaseId) -> Result<(), StoreError> {
        let (attempt, id) = ("remove a VM from", id.clone());
        self.transact(attempt, move |transaction| {
            remove(transaction, &id).map_err(StoreError::database(attempt))
        })
        .await
    }
}

fn remove(transaction: &Transaction<'_>, id: &LeaseId) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM vms WHERE id = ?")?;
    statement.execute([id.as_str()])?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, vm: &VmInfo) -> rusqlite::Result<()> {
    let (state, reason) = state_text(&vm.state);
    let mut statement = transaction.prepare_cached(
        "INSERT INTO vms VALUES (:id, :name, :template, :image, :image_name, :snapshot, :vcpus, :memory_mib,
            :disk_bytes, :env, :metadata, :created_at_ms, :idle_timeout_ms, :max_lifetime_ms, :owner,
            :network_wanted, :state, :reason)",
    )?;
    statement.execute(named_params! {
        ":id": vm.id.as_str(),
        ":name": vm.name,
        ":template": vm.template.as_str(),
        ":image": vm.image,
        ":image_name": vm.image_name,
        ":snapshot": vm.snapshot.as_ref().map(SnapshotId::as_str),
        ":vcpus": vm.shape.vcpus,
        ":memory_mib": vm.shape.memory_mib,
        ":disk_bytes": signed(vm.disk_bytes),
        ":env": json_text(&vm.env)?,
        ":metadata": json_text(vm.metadata.as_object())?,
        ":created_at_ms": signed(vm.created_at_ms),
        ":idle_timeout_ms": vm.idle_timeout.map(|time| signed(whole_ms(time))),
        ":max_lifetime_ms": vm.max_lifetime.map(|time| signed(whole_ms(time))),
        ":owner": vm.owner,
        ":network_wanted": vm.network_wanted,
        ":state": state,
        ":reason": reason,
    })?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<VmInfo, StoreError> {
    let failed = || StoreError::database("read a VM in");
    let id: String = row.get("id").map_err(failed())?;
    let damaged = |what: &str| StoreError::Row {
        id: id.clone(),
        what: what.to_owned(),
    };
    let read = || -> rusqlite::Result<_> {
        let snapshot: Option<String> = row.get("snapshot")?;
        let (env, metadata): (String, String) = (row.get("env")?, row.get("metadata")?);
        let (state, reason): (String, Option<String>) = (row.get("state")?, row.get("reason")?);
        let vm = VmInfo {
            id: LeaseId::new(&id),
            name: row.get("name")?,
            template: TemplateId::new(row.get::<_, String>("template")?),
            image: row.get("image")?,
            image_name: row.get("image_name")?,
            snapshot: None,
            shape: Shape {
                vcpus: row.get("vcpus")?,
                memory_mib: row.get("memory_mib")?,
            },
            disk_bytes: unsigned(row.get("disk_bytes")?),
            env: Default::default(),
            metadata: Metadata::default(),
            created_at_ms: unsigned(row.get("created_at_ms")?),
            idle_timeout: row.get::<_, Option<i64>>("idle_timeout_ms")?.map(time),
            max_lifetime: row.get::<_, Option<i64>>("max_lifetime_ms")?.map(time),
            owner: row.get("owner")?,
            network_wanted: row.get("network_wanted")?,
            state: VmStatus::Running,
        };
        Ok((vm, snapshot, env, metadata, state, reason))
    };
    let (mut vm, snapshot, env, metadata, state, reason) = read().map_err(failed())?;
    vm.snapshot = match snapshot.map(SnapshotId::try_from) {
        Some(Ok(snapshot)) => Some(snapshot),
        Some(Err(_)) => return Err(damaged("snapshot")),
        None => None,
    };
    vm.env = serde_json::from_str(&env).map_err(|_| damaged("env"))?;
    let metadata = serde_json::from_str(&metadata).map_err(|_| damaged("metadata"))?;
    vm.metadata = Metadata::new(metadata).map_err(|_| damaged("metadata"))?;
    vm.state = state_of(&state, reason).ok_or_else(|| damaged("state"))?;
    Ok(vm)
}

fn state_text(state: &VmStatus) -> (&'static str, Option<&str>) {
    match state {
        // It is woken by its next request, so it counts as one that runs.
        VmStatus::Running | VmStatus::Paused(PausedBy::Idle) => ("running", None),
        VmStatus::Paused(PausedBy::Request) => ("paused", None),
        VmStatus::Stopped { reason } => ("stopped", reason.as_deref()),
    }
}

fn state_of(text: &str, reason: Option<String>) -> Option<VmStatus> {
    match text {
        "running" => Some(VmStatus::Running),
        "paused" => Some(VmStatus::Paused(PausedBy::Request)),
        "stopped" => Some(VmStatus::Stopped { reason }),
        _ => None,
    }
}

/// SQLite's integers are signed; ours are far from where that counts.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn time(ms: i64) -> Duration {
    Duration::from_millis(unsigned(ms))
}

pub(super) fn json_text<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{open::older, schema::MIGRATIONS},
        *,
    };

    fn vm(id: &str, name: Option<&str>) -> VmInfo {
        let metadata = json!({"user": "a", "n": [1, null]});
        VmInfo {
            id: LeaseId::new(id),
            name: name.map(str::to_owned),
            template: TemplateId::new("0123456789abcdef"),
            image: "sha256:00".to_owned(),
            image_name: Some("python".to_owned()),
            snapshot: Some(SnapshotId::try_from("snap-1".to_owned()).unwrap()),
            shape: Shape {
                vcpus: 2,
                memory_mib: 512,
            },
            disk_bytes: 4 << 30,
            env: [("A".to_owned(), "1=2\n".to_owned())].into(),
            metadata: Metadata::new(metadata.as_object().unwrap().clone()).unwrap(),
            created_at_ms: 1_700_000_000_123,
            idle_timeout: Some(Duration::from_secs(60)),
            max_lifetime: None,
            owner: Some("key-1".to_owned()),
            network_wanted: true,
            state: VmStatus::Stopped {
                reason: Some("it was told to".to_owned()),
            },
        }
    }

    #[tokio::test]
    async fn what_was_entered_is_there_after_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.db");
        let store = Store::open(&path).unwrap();
        let (one, mut two) = (vm("vm-1", Some("ünïcödé ✓")), vm("vm-2", None));
        store
            .enter_vms(vec![one.clone(), two.clone(), vm("vm-3", None)])
            .await
            .unwrap();
        two.state = VmStatus::Paused(PausedBy::Request);
        store.update_vm(two.clone()).await.unwrap();
        store.remove_vm(&LeaseId::new("vm-3")).await.unwrap();
        drop(store);
        let mut vms = Store::open(&path).unwrap().vms().await.unwrap();
        vms.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(vms, [one, two]);
    }

    #[tokio::test]
    async fn what_older_versions_entered_is_there_after_the_file_is_brought_up() {
        for version in 1..MIGRATIONS.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("runner.db");
            older(&path, version)
                .execute_batch(
                    r#"INSERT INTO vms (id, name, template, image, image_name, snapshot, vcpus, memory_mib, disk_bytes,
                         env, metadata, created_at_ms, idle_timeout_ms, owner, network_wanted, state, reason)
                       VALUES ('vm-1', 'web', '0123456789abcdef', 'sha256:00', 'python', 'snap-1', 2, 512, 4294967296,
                         '{"A":"1=2\n"}', '{"user":"a","n":[1,null]}', 1700000000123, 60000, 'key-1', 1, 'stopped',
                         'it was told to');
                       INSERT INTO snapshots VALUES ('snap-1', 'moment', 'vm-1', NULL, '0123456789abcdef', 'sha256:00',
                         NULL, 2, 512, '{}', '{"n":1}', 5, 'key-1', 10, 20, 30, 40);"#,
                )
                .unwrap();
            let store = Store::open(&path).unwrap();
            let vms = store.vms().await.unwrap();
            assert_eq!(vms, [vm("vm-1", Some("web"))], "version {version}");
            let snapshots = store.snapshots().await.unwrap();
            let [snapshot] = &snapshots[..] else {
                panic!("version {version}: {snapshots:?}");
            };
            assert_eq!(
                (snapshot.name.as_str(), &snapshot.vm),
                ("moment", &vms[0].id)
            );
            assert_eq!(snapshot.metadata.as_object()["n"], 1);
            // Its rows are changed and added to as any others are.
            store.update_vm(vms[0].clone()).await.unwrap();
            store.enter_vms(vec![vm("vm-2", None)]).await.unwrap();
            assert_eq!(store.vms().await.unwrap().len(), 2);
        }
    }

    #[tokio::test]
    async fn of_vms_that_are_entered_together_all_are_there_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("runner.db")).unwrap();
        store.enter_vms(vec![vm("vm-1", None)]).await.unwrap();
        let refused = store
            .enter_vms(vec![vm("vm-2", None), vm("vm-1", None)])
            .await;
        assert!(matches!(refused, Err(StoreError::Database { .. })));
        assert_eq!(store.vms().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_damaged_row_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.db");
        let store = Store::open(&path).unwrap();
        store.enter_vms(vec![vm("vm-1", None)]).await.unwrap();
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .execute("UPDATE vms SET state = 'flying'", [])
            .unwrap();
        let refused = store.vms().await.unwrap_err();
        assert!(refused.to_string().contains("vm-1"), "{refused}");
        assert!(refused.to_string().contains("state"), "{refused}");
    }
}
