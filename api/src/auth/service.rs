//! Authentication and what it keeps.

use std::{
    io,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use thaw_api_types::{AuditEntry, KeyInfo};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::{
    attempts::Attempts,
    clock::now_s,
    credential::{Credential, Presented},
    db::{ApiDb, ApiDbError, AuditRecord, Db, KeyError, NewKey},
    identity::{Identity, Who},
    password::{PasswordError, StoredPassword},
    refusal::Refusal,
    secret::{self, ApiKey, KeyHash},
    token,
};

/// How long a session lasts, in seconds: a day.
pub(crate) const SESSION_S: u64 = 86_400;
/// Passwords that are checked at once: each takes 19 MiB and a CPU for tens of milliseconds. Others wait; how many
/// there can be is bounded by [`Attempts`].
const CHECKS_AT_ONCE: usize = 2;

/// Authentication: on while an admin password is set. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    db: Db,
    attempts: Mutex<Attempts>,
    checks: Semaphore,
    /// The key of the program that runs the service inside itself.
    own_key: Option<KeyHash>,
}

/// Authentication could not be opened.
#[derive(Debug, Error)]
pub enum AuthError {
    /// Its database.
    #[error("could not open what authentication is kept in")]
    Db(#[from] ApiDbError),
    /// Its thread.
    #[error("could not start the thread of api.db")]
    Thread(#[source] io::Error),
}

/// A login that did not succeed.
#[derive(Debug, Error)]
pub(crate) enum LoginError {
    #[error("too many logins were tried")]
    TooMany { retry_after: Duration },
    #[error("no admin password is set")]
    Off,
    #[error("the password is wrong")]
    Wrong,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("the session could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
    #[error("the password could not be checked")]
    Check(#[source] tokio::task::JoinError),
    #[error(transparent)]
    Db(#[from] ApiDbError),
}

/// A session that has just begun.
pub(crate) struct NewSession {
    pub(crate) token: String,
    pub(crate) identity: Identity,
}

impl Auth {
    /// Opens `api.db` in a storage root that is there.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub fn open(storage_root: &Path) -> Result<Self, AuthError> {
        Self::with_own_key(storage_root, None)
    }

    /// As [`Auth::open`], for a program that runs the service inside itself: this key may do everything, and is kept
    /// nowhere.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub fn with_own_key(storage_root: &Path, own: Option<&ApiKey>) -> Result<Self, AuthError> {
        let db = Db::start(ApiDb::open(storage_root)?).map_err(AuthError::Thread)?;
        Ok(Self(Arc::new(Parts {
            db,
            attempts: Mutex::default(),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            own_key: own.map(ApiKey::hash),
        })))
    }

    /// Whether an admin password is set.
    ///
    /// # Errors
    /// See [`ApiDbError`].
    pub async fn is_on(&self) -> Result<bool, ApiDbError> {
        self.0.db.call(ApiDb::is_auth_on).await
    }

    /// Who shows this. While authentication is off that is [`Who::Anyone`], whatever they show.
    ///
    /// A key that is revoked, a session that is ended and a password that is set by another program count from
    /// the next call on.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn identify(&self, shown: Option<Presented>) -> Result<Identity, Refusal> {
        let own = self.0.own_key;
        let look = move |db: &mut ApiDb| {
            let Some(admin) = db.admin()? else {
                return Ok(Identity::admin(Who::Anyone, None));
            };
            let now = now_s();
            match shown.map(|shown| shown.credential) {
                None => Err(Refusal::Unknown),
                Some(Credential::Malformed) => Err(Refusal::Wrong),
                Some(Credential::Key(hash)) if own == Some(hash) => {
                    Ok(Identity::admin(Who::Inside, None))
                }
                Some(Credential::Key(hash)) => {
                    let found = db.use_key(&hash, now)?.ok_or(Refusal::Wrong)?;
                    let KeyInfo {
                        id,
                        name,
                        scopes,
                        expires_at,
                        ..
                    } = found.info;
                    if found.is_expired {
                        return Err(Refusal::Expired { name });
                    }
                    Ok(Identity::new(Who::Key { id, name }, scopes, expires_at))
                }
                Some(Credential::Session(text)) => {
                    let id = token::session_of(&admin.session_secret, &text)
                        .ok_or(Refusal::SessionOver)?;
                    let expires_at = db.session(&id, now)?.ok_or(Refusal::SessionOver)?;
                    Ok(Identity::admin(Who::Session { id }, Some(expires_at)))
                }
            }
        };
        self.0.db.call(look).await
    }

    /// Begins a session of [`SESSION_S`] for whoever knows the admin's password.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub(crate) async fn login(
        &self,
        password: String,
        from: IpAddr,
    ) -> Result<NewSession, LoginError> {
        self.0
            .attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .begin(from, Instant::now())
            .map_err(|retry_after| LoginError::TooMany { retry_after })?;
        let admin = self.0.db.call(ApiDb::admin).await?;
        let admin = admin.ok_or(LoginError::Off)?;
        let stored = admin.password.clone();
        let stored = self.checked(stored, password).await?;
        let now = now_s();
        let expires_at = now + SESSION_S;
        let id = hex::encode(secret::random_bytes::<16>().map_err(ApiDbError::from)?);
        let signed = token::sign(&admin.session_secret, &id, now, expires_at);
        let token = signed.map_err(LoginError::Sign)?;
        let who = Who::Session { id: id.clone() };
        let begun = self
            .0
            .db
            .call(move |db| db.begin_session(&id, &stored, now, expires_at));
        // Somebody has set another password meanwhile.
        if !begun.await? {
            return Err(LoginError::Wrong);
        }
        Ok(NewSession {
            token,
            identity: Identity::admin(who, Some(expires_at)),
        })
    }

    /// The password as it is stored, now that it was found right. An outdated hash is made anew.
    async fn checked(
        &self,
        stored: StoredPassword,
        password: String,
    ) -> Result<StoredPassword, LoginError> {
        let permit = self.0.checks.acquire().await;
        let check = move || -> Result<(StoredPassword, Option<StoredPassword>), LoginError> {
            if !stored.is(&password) {
                return Err(LoginError::Wrong);
            }
            let renewed = stored
                .is_outdated()
                .then(|| StoredPassword::hashed(&password))
                .transpose()?;
            Ok((stored, renewed))
        };
        let checked = tokio::task::spawn_blocking(check).await;
        drop(permit);
        let (stored, renewed) = checked.map_err(LoginError::Check)??;
        let Some(renewed) = renewed else {
            return Ok(stored);
        };
        let to = renewed.clone();
        self.0
            .db
            .call(move |db| db.upgrade_password(&stored, &to))
            .await?;
        Ok(renewed)
    }

    /// Ends a session, or every session.
    pub(crate) async fn end_sessions(&self, id: Option<String>) -> Result<(), ApiDbError> {
        self.0
            .db
            .call(move |db| db.end_sessions(id.as_deref()))
            .await
    }

    pub(crate) async fn create_key(&self, new: NewKey) -> Result<(ApiKey, KeyInfo), KeyError> {
        self.0.db.call(move |db| db.create_key(&new, now_s())).await
    }

    pub(crate) async fn keys(&self) -> Result<Vec<KeyInfo>, ApiDbError> {
        self.0.db.call(ApiDb::keys).await
    }

    pub(crate) async fn revoke_key(
        &self,
        id_or_name: String,
    ) -> Result<Option<KeyInfo>, ApiDbError> {
        self.0.db.call(move |db| db.revoke_key(&id_or_name)).await
    }

    /// Has a record written; waits for a place in the queue, not for the disk.
    pub(crate) async fn audit(&self, record: AuditRecord) {
        let write = move |db: &mut ApiDb| {
            if let Err(error) = db.audit(&record) {
                tracing::error!(%error, "an entry of the audit log was lost");
            }
        };
        if let Err(error) = self.0.db.post(write).await {
            tracing::error!(%error, "an entry of the audit log was lost");
        }
    }

    pub(crate) async fn audit_page(
        &self,
        before: u64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, ApiDbError> {
        self.0.db.call(move |db| db.audit_page(before, limit)).await
    }
}
