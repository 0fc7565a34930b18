//! Sessions: a signed token is good only while its row is there.

use rusqlite::{OptionalExtension as _, params};

use super::{ApiDb, ApiDbError};
use crate::auth::password::StoredPassword;

/// Sessions at most; a new one takes the place of the oldest.
const MAX_SESSIONS: i64 = 1000;

impl ApiDb {
    /// Begins a session, unless the password that was just checked is no longer the password.
    pub(crate) fn begin_session(
        &mut self,
        id: &str,
        checked: &StoredPassword,
        now: u64,
        expires_at: u64,
    ) -> Result<bool, ApiDbError> {
        self.durably(|change| {
            let still = change
                .query_row("SELECT password FROM admin", [], |row| {
                    row.get::<_, String>(0)
                })
                .optional()?;
            if still.as_deref() != Some(checked.as_stored()) {
                return Ok(false);
            }
            change.execute("DELETE FROM sessions WHERE expires_at <= ?1", [now.cast_signed()])?;
            change.execute(
                "INSERT INTO sessions (id, created_at, expires_at) VALUES (?1, ?2, ?3)",
                params![id, now.cast_signed(), expires_at.cast_signed()],
            )?;
            change.execute(
                "DELETE FROM sessions WHERE rowid NOT IN (SELECT rowid FROM sessions ORDER BY rowid DESC LIMIT ?1)",
                [MAX_SESSIONS],
            )?;
            Ok(true)
        })
    }

    /// Until when a session lasts; none when it is over.
    pub(crate) fn session(&mut self, id: &str, now: u64) -> Result<Option<u64>, ApiDbError> {
        let expires_at = self
            .connection
            .prepare_cached("SELECT expires_at FROM sessions WHERE id = ?1")?
            .query_row([id], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(expires_at
            .map(i64::cast_unsigned)
            .filter(|expires_at| *expires_at > now))
    }

    /// Ends a session, or all of them.
    pub(crate) fn end_sessions(&mut self, id: Option<&str>) -> Result<(), ApiDbError> {
        self.durably(|change| {
            change.execute("DELETE FROM sessions WHERE ?1 IS NULL OR id = ?1", [id])?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_does_not_begin_with_a_password_that_was_just_changed() {
        let root = tempfile::tempdir().unwrap();
        let mut db = ApiDb::open(root.path()).unwrap();
        let (old, new) = (
            StoredPassword::new("old password").unwrap(),
            StoredPassword::new("new password").unwrap(),
        );
        db.set_password(&old).unwrap();
        assert!(db.begin_session("one", &old, 10, 20).unwrap());
        assert_eq!(db.session("one", 19).unwrap(), Some(20));
        assert_eq!(db.session("one", 20).unwrap(), None);
        db.set_password(&new).unwrap();
        assert_eq!(db.session("one", 19).unwrap(), None);
        assert!(!db.begin_session("two", &old, 10, 20).unwrap());
        assert_eq!(db.session("two", 19).unwrap(), None);
    }
}
