//! The admin's password and the secret that signs sessions. Authentication is on while there is a row.

use rusqlite::{OptionalExtension as _, params};

use super::{ApiDb, ApiDbError};
use crate::auth::{password::StoredPassword, secret};

/// What authentication rests on while it is on.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) password: StoredPassword,
    pub(crate) session_secret: Vec<u8>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl ApiDb {
    /// Whether authentication is on.
    ///
    /// # Errors
    /// See [`ApiDbError`].
    pub fn is_auth_on(&mut self) -> Result<bool, ApiDbError> {
        Ok(self.admin()?.is_some())
    }

    /// What authentication rests on; none while it is off. Read anew only when somebody wrote.
    pub(crate) fn admin(&mut self) -> Result<Option<Admin>, ApiDbError> {
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if let Some((of, admin)) = &self.remembered
            && *of == version
        {
            return Ok(admin.clone());
        }
        let admin = self
            .connection
            .prepare_cached("SELECT password, session_secret FROM admin")?
            .query_row([], |row| {
                Ok(Admin {
                    password: StoredPassword::from_stored(row.get(0)?),
                    session_secret: row.get(1)?,
                })
            })
            .optional()?;
        self.remembered = Some((version, admin.clone()));
        Ok(admin)
    }

    /// Sets the admin's password; authentication is on from then on, and every session over.
    ///
    /// # Errors
    /// See [`ApiDbError`].
    pub fn set_password(&mut self, password: &StoredPassword) -> Result<(), ApiDbError> {
        let session_secret = secret::random_bytes::<32>()?;
        self.durably(|change| {
            change.execute(
                "INSERT OR REPLACE INTO admin (one, password, session_secret) VALUES (1, ?1, ?2)",
                params![password.as_stored(), session_secret],
            )?;
            change.execute("DELETE FROM sessions", [])?;
            Ok(())
        })
    }

    /// Puts the same password in another form, unless somebody has set another meanwhile. Nothing of the old form
    /// stays in the files.
    pub(crate) fn upgrade_password(
        &mut self,
        from: &StoredPassword,
        to: &StoredPassword,
    ) -> Result<(), ApiDbError> {
        self.durably(|change| {
            change.execute(
                "UPDATE admin SET password = ?2 WHERE password = ?1",
                params![from.as_stored(), to.as_stored()],
            )?;
            Ok::<_, ApiDbError>(())
        })?;
        self.checkpoint()
    }

    /// Turns authentication off; keys stay for when it is turned on again. Says whether it was on.
    ///
    /// # Errors
    /// See [`ApiDbError`].
    pub fn disable_auth(&mut self) -> Result<bool, ApiDbError> {
        self.durably(|change| {
            change.execute("DELETE FROM sessions", [])?;
            Ok(change.execute("DELETE FROM admin", [])? > 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_sets_is_noticed_at_once() {
        let root = tempfile::tempdir().unwrap();
        let (mut daemon, mut command) = (
            ApiDb::open(root.path()).unwrap(),
            ApiDb::open(root.path()).unwrap(),
        );
        assert!(!daemon.is_auth_on().unwrap());
        let password = StoredPassword::new("correct horse").unwrap();
        command.set_password(&password).unwrap();
        assert!(daemon.is_auth_on().unwrap());
        assert!(command.disable_auth().unwrap());
        assert!(!daemon.is_auth_on().unwrap());
        daemon.set_password(&password).unwrap();
        assert!(daemon.is_auth_on().unwrap());
    }
}
