//! The rows of functions, versions and aliases.

use rusqlite::{Transaction, params};
use serde::{Serialize, de::DeserializeOwned};
use thaw_pool_manager::TemplateId;

use super::{
    Store, StoreError,
    vms::{signed, unsigned},
};
use crate::functions::{Alias, FunctionName, VersionSpec};

/// A function as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FunctionRow {
    pub(crate) name: String,
    pub(crate) created_at_ms: u64,
    pub(crate) next_version: u64,
    pub(crate) versions: Vec<VersionRow>,
    pub(crate) aliases: Vec<Alias>,
}

/// A version as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VersionRow {
    pub(crate) number: u64,
    pub(crate) spec: VersionSpec,
    /// Empty where an older daemon wrote it.
    pub(crate) image_digest: String,
    pub(crate) code_digest: String,
    pub(crate) code_bytes: u64,
    pub(crate) template: TemplateId,
    pub(crate) created_at_ms: u64,
}

impl Store {
    /// Every function.
    pub(crate) async fn functions(&self) -> Result<Vec<FunctionRow>, StoreError> {
        self.transact("read the functions in", |transaction| {
            let mut functions = function_rows(transaction)?;
            for function in &mut functions {
                function.versions = version_rows(transaction, &function.name)?;
                function.aliases = alias_rows(transaction, &function.name)?;
            }
            Ok(functions)
        })
        .await
    }

    /// Enters a version, and its function where that is new.
    pub(crate) async fn enter_version(
        &self,
        function: &FunctionName,
        version: VersionRow,
    ) -> Result<(), StoreError> {
        let (attempt, function) = ("enter a version in", function.clone());
        self.transact(attempt, move |transaction| {
            let spec = to_json(function.as_str(), &version.spec)?;
            let enter = || {
                transaction.execute(
                    "INSERT INTO functions VALUES (?1, ?2, ?3)
                     ON CONFLICT (name) DO UPDATE SET next_version = ?3",
                    params![
                        function.as_str(),
                        signed(version.created_at_ms),
                        signed(version.number + 1)
                    ],
                )?;
                transaction.execute(
                    "INSERT INTO function_versions (function, number, spec, code_digest, code_bytes, template,
                     created_at_ms, image_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    params![
                        function.as_str(),
                        signed(version.number),
                        spec,
                        version.code_digest,
                        signed(version.code_bytes),
                        version.template.as_str(),
                        signed(version.created_at_ms),
                        version.image_digest,
                    ],
                )
            };
            enter().map_err(StoreError::database(attempt))?;
            Ok(())
        })
        .await
    }

    /// Writes that a version's template is another one now.
    pub(crate) async fn retemplate(
        &self,
        function: &FunctionName,
        number: u64,
        template: &TemplateId,
    ) -> Result<(), StoreError> {
        let (attempt, function, template) =
            ("change a version in", function.clone(), template.clone());
        self.transact(attempt, move |transaction| {
            transaction
                .execute(
                    "UPDATE function_versions SET template = ? WHERE function = ? AND number = ?",
                    params![template.as_str(), function.as_str(), signed(number)],
                )
                .map_err(StoreError::database(attempt))?;
            Ok(())
        })
        .await
    }

    /// Forgets a version.
    pub(crate) async fn remove_version(
        &self,
        function: &FunctionName,
        number: u64,
    ) -> Result<(), StoreError> {
        let (attempt, function) = ("remove a version from", function.clone());
        self.transact(attempt, move |transaction| {
            transaction
                .execute(
                    "DELETE FROM function_versions WHERE function = ? AND number = ?",
                    params![function.as_str(), signed(number)],
                )
                .map_err(StoreError::database(attempt))?;
            Ok(())
        })
        .await
    }

    /// Forgets a function with everything of it.
    pub(crate) async fn remove_function(&self, function: &FunctionName) -> Result<(), StoreError> {
        let (attempt, function) = ("remove a function from", function.clone());
        self.transact(attempt, move |transaction| {
            transaction
                .execute("DELETE FROM functions WHERE name = ?", [function.as_str()])
                .map_err(StoreError::database(attempt))?;
            Ok(())
        })
        .await
    }

    /// Enters an alias, or writes it anew.
    pub(crate) async fn put_alias(
        &self,
        function: &FunctionName,
        alias: Alias,
    ) -> Result<(), StoreError> {
        let (attempt, function) = ("write an alias in", function.clone());
        self.transact(attempt, move |transaction| {
            let text = to_json(function.as_str(), &alias)?;
            transaction
                .execute(
                    "INSERT OR REPLACE INTO function_aliases VALUES (?, ?, ?)",
                    params![function.as_str(), alias.name, text],
                )
                .map_err(StoreError::database(attempt))?;
            Ok(())
        })
        .await
    }

    /// Forgets an alias.
    pub(crate) async fn remove_alias(
        &self,
        function: &FunctionName,
        alias: &str,
    ) -> Result<(), StoreError> {
        let (attempt, function, alias) =
            ("remove an alias from", function.clone(), alias.to_owned());
        self.transact(attempt, move |transaction| {
            transaction
                .execute(
                    "DELETE FROM function_aliases WHERE function = ? AND name = ?",
                    params![function.as_str(), alias],
                )
                .map_err(StoreError::database(attempt))?;
            Ok(())
        })
        .await
    }
}

fn function_rows(transaction: &Transaction<'_>) -> Result<Vec<FunctionRow>, StoreError> {
    let read = || {
        let mut query = transaction.prepare("SELECT * FROM functions ORDER BY name")?;
        let rows = query.query_map([], |row| {
            Ok(FunctionRow {
                name: row.get(0)?,
                created_at_ms: unsigned(row.get(1)?),
                next_version: unsigned(row.get(2)?),
                versions: Vec::new(),
                aliases: Vec::new(),
            })
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(StoreError::database("read the functions in"))
}

fn version_rows(
    transaction: &Transaction<'_>,
    function: &str,
) -> Result<Vec<VersionRow>, StoreError> {
    let read = || {
        let mut query = transaction.prepare_cached(
            "SELECT number, spec, code_digest, code_bytes, template, created_at_ms, image_digest
             FROM function_versions WHERE function = ? ORDER BY number",
        )?;
        let rows = query.query_map([function], |row| {
            let spec: String = row.get(1)?;
            let row = (
                unsigned(row.get(0)?),
                row.get(2)?,
                unsigned(row.get(3)?),
                TemplateId::new(row.get::<_, String>(4)?),
                unsigned(row.get(5)?),
                row.get(6)?,
            );
            Ok((spec, row))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(StoreError::database("read the versions in"))?;
    let rows = rows.into_iter().map(|(spec, row)| {
        let (number, code_digest, code_bytes, template, created_at_ms, image_digest) = row;
        Ok(VersionRow {
            number,
            spec: from_json(function, &spec)?,
            image_digest,
            code_digest,
            code_bytes,
            template,
            created_at_ms,
        })
    });
    rows.collect()
}

fn alias_rows(transaction: &Transaction<'_>, function: &str) -> Result<Vec<Alias>, StoreError> {
    let read = || {
        let mut query = transaction.prepare_cached(
            "SELECT alias FROM function_aliases WHERE function = ? ORDER BY name",
        )?;
        let rows = query.query_map([function], |row| row.get::<_, String>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let texts = read().map_err(StoreError::database("read the aliases in"))?;
    texts.iter().map(|text| from_json(function, text)).collect()
}

fn to_json<T: Serialize>(function: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Row {
        id: function.to_owned(),
        what: error.to_string(),
    })
}

fn from_json<T: DeserializeOwned>(function: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Row {
        id: function.to_owned(),
        what: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use thaw_pool_manager::vmm::{Shape, protocol::FunctionKind};

    use super::*;
    use crate::functions::Route;

    fn version(number: u64) -> VersionRow {
        VersionRow {
            number,
            spec: VersionSpec {
                image: "python".into(),
                shape: Shape {
                    vcpus: 1,
                    memory_mib: 256,
                },
                kind: FunctionKind::Python {
                    handler: "app.handle".into(),
                },
                env: vec![("A".into(), "1".into())],
                init_timeout: Duration::from_secs(10),
                timeout: Duration::from_millis(1500),
                concurrency: 2,
                queue: 3,
                min_warm: 0,
                max_warm: 4,
                idle: Duration::from_secs(60),
                reuse: 5,
                network_wanted: true,
            },
            image_digest: "11".into(),
            code_digest: "00".into(),
            code_bytes: 7,
            template: TemplateId::new("0123456789abcdef"),
            created_at_ms: 8,
        }
    }

    #[tokio::test]
    async fn what_was_entered_is_there_after_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.db");
        let name = FunctionName::new("f").unwrap();
        let db = Store::open(&path).unwrap();
        db.enter_version(&name, version(1)).await.unwrap();
        db.enter_version(&name, version(2)).await.unwrap();
        let alias = Alias {
            name: "live".into(),
            routes: vec![Route {
                version: 1,
                weight: 0.25,
            }],
            previous: None,
        };
        db.put_alias(&name, alias.clone()).await.unwrap();
        drop(db);
        let db = Store::open(&path).unwrap();
        let functions = db.functions().await.unwrap();
        assert_eq!(functions.len(), 1);
        assert_eq!(functions[0].versions, [version(1), version(2)]);
        assert_eq!(functions[0].aliases, [alias]);
        assert_eq!(functions[0].next_version, 3);
    }

    #[tokio::test]
    async fn a_removed_function_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let db = Store::open(&folder.path().join("runner.db")).unwrap();
        let name = FunctionName::new("f").unwrap();
        db.enter_version(&name, version(1)).await.unwrap();
        db.enter_version(&name, version(2)).await.unwrap();
        db.remove_version(&name, 1).await.unwrap();
        let other = TemplateId::new("fedcba9876543210");
        db.retemplate(&name, 2, &other).await.unwrap();
        let functions = db.functions().await.unwrap();
        assert_eq!(functions[0].versions.len(), 1);
        assert_eq!(functions[0].versions[0].template, other);
        db.remove_function(&name).await.unwrap();
        assert_eq!(db.functions().await.unwrap(), []);
        // Its versions went with it: the same numbers can be entered again.
        db.enter_version(&name, version(2)).await.unwrap();
    }
}
