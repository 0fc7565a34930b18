//! Who may do what: logging in, keys, and the audit log.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Scope, check, limits};

/// The admin's password, for a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The admin's password.
    pub password: String,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest").finish_non_exhaustive()
    }
}

/// What makes the sender of a request known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// Authentication is off: everyone may do everything.
    Anyone,
    /// An API key.
    Key,
    /// The admin's password, by a session.
    Session,
    /// The program that runs the server inside itself.
    Inside,
}

/// Who the sender of a request is to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Whoami {
    /// What makes them known.
    pub kind: IdentityKind,
    /// The key's name.
    pub name: Option<String>,
    /// What they may do.
    pub scopes: Vec<Scope>,
    /// When the key or session ends, in seconds since 1970-01-01 UTC; null when never.
    pub expires_at: Option<u64>,
}

/// A key to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyRequest {
    /// A name, up to 128 characters, that no other key has.
    pub name: String,
    /// What it may do; at least one. `admin` implies all, `manage` implies `invoke` and `read`.
    pub scopes: Vec<Scope>,
    /// After how many seconds it is worth nothing; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3153600000u64)]
    pub expires_in_s: Option<u64>,
}

impl CreateKeyRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::name("name", &self.name, &mut problems);
        if self.scopes.is_empty() {
            problems.push("scopes is empty; give read, invoke, manage or admin".to_owned());
        }
        if let Some(expires_in_s) = self.expires_in_s {
            let most = limits::MAX_KEY_LIFETIME_S;
            check::range("expires_in_s", expires_in_s, 1, most, &mut problems);
        }
        problems
    }
}

/// A key, without what makes it one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// From when on it is worth nothing, in seconds since 1970-01-01 UTC; null when never.
    pub expires_at: Option<u64>,
    /// When it was last used, in seconds since 1970-01-01 UTC, to a minute; null when never.
    pub last_used_at: Option<u64>,
}

/// A key that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// The key itself. It is not kept, and this is the only time that it is shown.
    pub key: String,
    /// The rest.
    #[serde(flatten)]
    pub info: KeyInfo,
}

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// Every key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// The keys, by name.
    pub keys: Vec<KeyInfo>,
}

/// Whether only this session is ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogoutQuery {
    /// End every session, not only this one.
    #[serde(default)]
    pub everywhere: bool,
}

/// Which part of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only entries with a smaller `seq`: the `next_before` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Entries at most: 1 to 1000, default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Something that was done, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Counts up.
    pub seq: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// Who did it.
    pub who: String,
    /// The method and route, or the command.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Where it came from; empty for a command on the server's machine.
    pub address: String,
    /// The request's id; empty for a command.
    pub request_id: String,
}

/// A page of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// The entries, newest first.
    pub entries: Vec<AuditEntry>,
    /// What `before` is for the next page; null when this is the last.
    pub next_before: Option<u64>,
}
