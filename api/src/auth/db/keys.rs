//! API keys. Of the key itself only its SHA-256 is kept.

use rusqlite::{OptionalExtension as _, Row, params};
use thaw_api_types::{KeyInfo, Scope};
use thiserror::Error;

use super::{ApiDb, ApiDbError};
use crate::auth::secret::{self, ApiKey, KeyHash};

/// Keys at most; the next is refused.
const MAX_KEYS: i64 = 10_000;
/// A key's last use is written down at most so often, in seconds, so that a use is a read and not a write.
const LAST_USE_STEP_S: u64 = 60;
const COLUMNS: &str = "id, name, scopes, created_at, expires_at, last_used_at";

/// A key to make.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name, which no other key has.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// From when on it is worth nothing, in seconds since 1970-01-01 UTC.
    pub expires_at: Option<u64>,
}

/// A key that another program made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedKey {
    /// Its id there.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// When it was made, in seconds since 1970-01-01 UTC.
    pub created_at: u64,
}

/// A key could not be made.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Names tell keys apart.
    #[error("another key is named {0:?}")]
    NameTaken(String),
    /// The bound on keys.
    #[error("there are {MAX_KEYS} keys, which is as many as there may be")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Db(#[from] ApiDbError),
}

impl From<rusqlite::Error> for KeyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// What a request's key turned out to be.
#[derive(Debug, Clone)]
pub(crate) struct FoundKey {
    pub(crate) info: KeyInfo,
    pub(crate) is_expired: bool,
}

impl ApiDb {
    /// Makes a key. This is the only time that it is seen.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn create_key(&mut self, new: &NewKey, now: u64) -> Result<(ApiKey, KeyInfo), KeyError> {
        let key = ApiKey::generate().map_err(ApiDbError::from)?;
        let id = secret::random_bytes::<8>().map_err(ApiDbError::from)?;
        let info = KeyInfo {
            id: format!("key-{}", hex::encode(id)),
            name: new.name.clone(),
            scopes: new.scopes.clone(),
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
        };
        let kept = info.clone();
        let hash = key.hash();
        self.durably(move |change| {
            let name = &kept.name;
            if taken(change, "name", name)? {
                return Err(KeyError::NameTaken(name.clone()));
            }
            insert(change, &kept, &hash)
        })?;
        Ok((key, info))
    }

    /// Takes over a key, with every right. One whose hash is there already is left as it is, and a name that is
    /// taken gets a number. Says whether it is new.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn import_key(&mut self, key: &ImportedKey) -> Result<bool, KeyError> {
        self.durably(|change| {
            if taken(change, "hash", &key.hash)? || taken(change, "id", &key.id)? {
                return Ok(false);
            }
            let mut name = key.name.clone();
            let mut number = 1;
            while taken(change, "name", &name)? {
                number += 1;
                name = format!("{} ({number})", key.name);
            }
            let info = KeyInfo {
                id: key.id.clone(),
                name,
                scopes: vec![Scope::Admin],
                created_at: key.created_at,
                expires_at: None,
                last_used_at: None,
            };
            insert(change, &info, &KeyHash(key.hash)).map(|()| true)
        })
    }

    /// Every key, by name.
    ///
    /// # Errors
    /// See [`ApiDbError`].
    pub fn keys(&mut self) -> Result<Vec<KeyInfo>, ApiDbError> {
        let sql = format!("SELECT {COLUMNS} FROM keys ORDER BY name");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], info)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Revokes a key by id or name; from then on it is worth nothing. Says what it was.
    pub(crate) fn revoke_key(&mut self, id_or_name: &str) -> Result<Option<KeyInfo>, ApiDbError> {
        self.durably(|change| {
            let sql = format!(
                "SELECT {COLUMNS} FROM keys WHERE id = ?1 OR name = ?1 ORDER BY id <> ?1 LIMIT 1"
            );
            let found = change.query_row(&sql, [id_or_name], info).optional()?;
            if let Some(key) = &found {
                change.execute("DELETE FROM keys WHERE id = ?1", [&key.id])?;
            }
            Ok(found)
        })
    }

    /// Finds the key that a request came with, and notes that it was used.
    pub(crate) fn use_key(
        &mut self,
        hash: &KeyHash,
        now: u64,
    ) -> Result<Option<FoundKey>, ApiDbError> {
        let sql = format!("SELECT {COLUMNS} FROM keys WHERE hash = ?1");
        let found = self
            .connection
            .prepare_cached(&sql)?
            .query_row([&hash.0[..]], info)
            .optional()?;
        let Some(info) = found else {
            return Ok(None);
        };
        let is_expired = info.expires_at.is_some_and(|at| at <= now);
        let is_stale = info
            .last_used_at
            .is_none_or(|at| at.saturating_add(LAST_USE_STEP_S) <= now);
        if is_stale && !is_expired {
            self.note_use(&info.id, now);
        }
        Ok(Some(FoundKey { info, is_expired }))
    }

    /// A key opens the door whether its use can be noted or not: the disk may be full, and whoever frees it needs one.
    fn note_use(&mut self, id: &str, now: u64) {
        let noted = self
            .connection
            .prepare_cached("UPDATE keys SET last_used_at = ?2 WHERE id = ?1")
            .and_then(|mut update| update.execute(params![id, now.cast_signed()]));
        match noted {
            Ok(_) => self.unnoted_use_at = None,
            Err(error) => {
                let told = self.unnoted_use_at;
                if told.is_none_or(|at| at.saturating_add(LAST_USE_STEP_S) <= now) {
                    tracing::warn!(%error, "the last use of keys can't be noted");
                    self.unnoted_use_at = Some(now);
                }
            }
        }
    }
}

fn taken(
    change: &rusqlite::Transaction<'_>,
    column: &str,
    value: &dyn rusqlite::ToSql,
) -> Result<bool, rusqlite::Error> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM keys WHERE {column} = ?1)");
    change.query_row(&sql, [value], |row| row.get(0))
}

fn insert(
    change: &rusqlite::Transaction<'_>,
    info: &KeyInfo,
    hash: &KeyHash,
) -> Result<(), KeyError> {
    let count: i64 = change.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
    if count >= MAX_KEYS {
        return Err(KeyError::TooMany);
    }
    let scopes: Vec<_> = info.scopes.iter().map(|scope| scope.as_str()).collect();
    change.execute(
        "INSERT INTO keys (id, name, hash, scopes, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            info.id,
            info.name,
            &hash.0[..],
            scopes.join(" "),
            info.created_at.cast_signed(),
            info.expires_at.map(u64::cast_signed),
        ],
    )?;
    Ok(())
}

fn info(row: &Row<'_>) -> Result<KeyInfo, rusqlite::Error> {
    let scopes: String = row.get(2)?;
    let seconds = |at: i64| at.cast_unsigned();
    Ok(KeyInfo {
        id: row.get(0)?,
        name: row.get(1)?,
        // A word that is not known gives no right.
        scopes: scopes
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect(),
        created_at: seconds(row.get(3)?),
        expires_at: row.get::<_, Option<i64>>(4)?.map(seconds),
        last_used_at: row.get::<_, Option<i64>>(5)?.map(seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db() -> (tempfile::TempDir, ApiDb) {
        let root = tempfile::tempdir().unwrap();
        let db = ApiDb::open(root.path()).unwrap();
        (root, db)
    }

    fn named(name: &str) -> NewKey {
        NewKey {
            name: name.to_owned(),
            scopes: vec![Scope::Read, Scope::Invoke],
            expires_at: Some(1000),
        }
    }

    #[test]
    fn a_key_is_kept_as_its_hash_until_it_is_revoked_and_worth_nothing_once_it_expired() {
        let (root, mut db) = db();
        let (key, made) = db.create_key(&named("ci"), 10).unwrap();
        let found = db.use_key(&key.hash(), 999).unwrap().unwrap();
        assert!(!found.is_expired);
        assert_eq!(found.info, made);
        assert!(db.use_key(&key.hash(), 1000).unwrap().unwrap().is_expired);
        assert_eq!(db.keys().unwrap()[0].last_used_at, Some(999));
        for entry in root.path().read_dir().unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let secret = key.expose().as_bytes();
            assert!(!bytes.windows(secret.len()).any(|bytes| bytes == secret));
        }
        assert_eq!(db.revoke_key("ci").unwrap().unwrap().id, made.id);
        assert!(db.use_key(&key.hash(), 999).unwrap().is_none());
        assert!(db.revoke_key("ci").unwrap().is_none());
    }

    #[test]
    fn a_key_whose_use_cant_be_noted_opens_all_the_same() {
        let (_root, mut db) = db();
        let (key, made) = db.create_key(&named("ci"), 10).unwrap();
        let refuse_writes = |db: &ApiDb, yes: bool| {
            let set = db.connection.pragma_update(None, "query_only", yes);
            set.unwrap();
        };
        refuse_writes(&db, true);
        assert_eq!(db.use_key(&key.hash(), 20).unwrap().unwrap().info, made);
        assert_eq!(db.unnoted_use_at, Some(20));
        refuse_writes(&db, false);
        db.use_key(&key.hash(), 30).unwrap();
        assert_eq!(db.unnoted_use_at, None);
        assert_eq!(db.keys().unwrap()[0].last_used_at, Some(30));
    }

    #[test]
    fn two_keys_never_share_a_name_and_an_import_may_be_repeated() {
        let (_root, mut db) = db();
        db.create_key(&named("ci"), 10).unwrap();
        let again = db.create_key(&named("ci"), 10);
        assert!(matches!(again, Err(KeyError::NameTaken(name)) if name == "ci"));
        let key = ImportedKey {
            id: "bsx_k_01234567".to_owned(),
            name: "ci".to_owned(),
            hash: [7; 32],
            created_at: 5,
        };
        assert!(db.import_key(&key).unwrap());
        assert!(!db.import_key(&key).unwrap());
        let names: Vec<_> = db.keys().unwrap().into_iter().map(|key| key.name).collect();
        assert_eq!(names, ["ci", "ci (2)"]);
    }
}
