//! The rows of VMs that stay.

use rusqlite::{
    Connection, Row, ToSql, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};
use thaw_image::ImageConfig;
use thaw_vmm::{ProcessMark, Shape};

use super::{NodeDb, NodeDbError};
use crate::{LeaseId, TemplateId};

/// A VM that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VmRow {
    pub(crate) id: LeaseId,
    pub(crate) template: TemplateId,
    /// The image's digest.
    pub(crate) image: String,
    pub(crate) shape: Shape,
    pub(crate) config: ImageConfig,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) created_at: u64,
    pub(crate) recorded: Recorded,
}

/// What a VM was acknowledged to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recorded {
    Running(ProcessMark),
    Paused(ProcessMark),
    Stopped,
}

impl Recorded {
    fn columns(&self) -> (&'static str, Option<Json<&ProcessMark>>) {
        match self {
            Self::Running(mark) => ("running", Some(Json(mark))),
            Self::Paused(mark) => ("paused", Some(Json(mark))),
            Self::Stopped => ("stopped", None),
        }
    }
}

impl NodeDb {
    /// Every VM that stays.
    pub(crate) async fn vms(&self) -> Result<Vec<VmRow>, NodeDbError> {
        self.with("read", all).await
    }

    /// Records a VM that stays from now on.
    pub(crate) async fn insert_vm(&self, vm: VmRow) -> Result<(), NodeDbError> {
        self.with("write", move |connection| {
            let (state, process) = vm.recorded.columns();
            let columns = params![
                vm.id.as_str(),
                vm.template.as_str(),
                vm.image,
                vm.shape.vcpus,
                vm.shape.memory_mib,
                Json(&vm.config),
                vm.created_at as i64,
                state,
                process,
            ];
            connection
                .execute(
                    "INSERT INTO vms (id, template, image, vcpus, memory_mib, config, created_at, state, process)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    columns,
                )
                .map(drop)
        })
        .await
    }

    /// Records what a VM does now. One that has no row gets none.
    pub(crate) async fn record(&self, id: &LeaseId, recorded: Recorded) -> Result<(), NodeDbError> {
        let id = id.clone();
        self.with("write", move |connection| {
            let (state, process) = recorded.columns();
            connection
                .execute(
                    "UPDATE vms SET state = ?2, process = ?3 WHERE id = ?1",
                    params![id.as_str(), state, process],
                )
                .map(drop)
        })
        .await
    }

    /// Forgets a VM.
    pub(crate) async fn remove_vm(&self, id: &LeaseId) -> Result<(), NodeDbError> {
        let id = id.clone();
        self.with("write", move |connection| {
            connection
                .execute("DELETE FROM vms WHERE id = ?1", [id.as_str()])
                .map(drop)
        })
        .await
    }
}

fn all(connection: &mut Connection) -> rusqlite::Result<Vec<VmRow>> {
    let mut statement = connection.prepare(
        "SELECT id, template, image, vcpus, memory_mib, config, created_at, state, process FROM vms ORDER BY id",
    )?;
    let rows = statement.query_map([], vm)?;
    rows.collect()
}

fn vm(row: &Row<'_>) -> rusqlite::Result<VmRow> {
    let state: String = row.get("state")?;
    let process: Option<Json<ProcessMark>> = row.get("process")?;
    let recorded = match (state.as_str(), process) {
        ("running", Some(Json(mark))) => Recorded::Running(mark),
        ("paused", Some(Json(mark))) => Recorded::Paused(mark),
        // The table takes no other rows.
        _ => Recorded::Stopped,
    };
    let Json(config) = row.get("config")?;
    Ok(VmRow {
        id: LeaseId(row.get("id")?),
        template: TemplateId::new(row.get::<_, String>("template")?),
        image: row.get("image")?,
        shape: Shape {
            vcpus: row.get("vcpus")?,
            memory_mib: row.get("memory_mib")?,
        },
        config,
        created_at: row.get::<_, i64>("created_at")? as u64,
        recorded,
    })
}

/// A column that holds JSON.
struct Json<T>(T);

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        serde_json::to_string(&self.0)
            .map(ToSqlOutput::from)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> VmRow {
        VmRow {
            id: LeaseId("vm-1".into()),
            template: TemplateId::new("0123456789abcdef"),
            image: "sha256:00".into(),
            shape: Shape {
                vcpus: 2,
                memory_mib: 512,
            },
            config: ImageConfig::default(),
            created_at: 1_700_000_000,
            recorded: Recorded::Running(mark()),
        }
    }

    fn mark() -> ProcessMark {
        ProcessMark {
            pid: 7,
            start_ticks: 8,
            boot_id: "boot".into(),
            place: 9,
        }
    }

    #[tokio::test]
    async fn what_is_recorded_is_there_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.db");
        let db = NodeDb::open(&path).unwrap();
        db.insert_vm(row()).await.unwrap();
        assert!(db.insert_vm(row()).await.is_err(), "an id is used once");
        drop(db);
        for recorded in [Recorded::Paused(mark()), Recorded::Stopped, row().recorded] {
            let db = NodeDb::open(&path).unwrap();
            db.record(&row().id, recorded.clone()).await.unwrap();
            drop(db);
            let expected = VmRow { recorded, ..row() };
            assert_eq!(
                NodeDb::open(&path).unwrap().vms().await.unwrap(),
                [expected]
            );
        }
        let db = NodeDb::open(&path).unwrap();
        db.remove_vm(&row().id).await.unwrap();
        db.record(&row().id, Recorded::Stopped).await.unwrap();
        assert_eq!(db.vms().await.unwrap(), []);
    }

    #[tokio::test]
    async fn the_stored_form_of_a_process_is_pinned() {
        let folder = tempfile::tempdir().unwrap();
        let db = NodeDb::open(&folder.path().join("node.db")).unwrap();
        db.insert_vm(row()).await.unwrap();
        let stored: String = db
            .with("read", |connection| {
                connection.query_row("SELECT process FROM vms", [], |row| row.get(0))
            })
            .await
            .unwrap();
        assert_eq!(
            stored,
            r#"{"pid":7,"start_ticks":8,"boot_id":"boot","place":9}"#
        );
    }
}
