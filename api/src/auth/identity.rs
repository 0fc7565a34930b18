//! Who sent a request.

use thaw_api_types::{ErrorCode, IdentityKind, Scope, Whoami};

use crate::error::ApiError;

/// Who sent a request; in its extensions once it is past the guard of a route that is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) who: Who,
    scopes: Vec<Scope>,
    expires_at: Option<u64>,
}

/// Who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Authentication is off.
    Anyone,
    /// A key.
    Key { id: String, name: String },
    /// The admin, by a session.
    Session { id: String },
    /// The program that runs the service inside itself.
    Inside,
}

impl Identity {
    pub(crate) fn new(who: Who, scopes: Vec<Scope>, expires_at: Option<u64>) -> Self {
        Self {
            who,
            scopes,
            expires_at,
        }
    }

    /// One who may do everything.
    pub(crate) fn admin(who: Who, expires_at: Option<u64>) -> Self {
        Self::new(who, vec![Scope::Admin], expires_at)
    }

    /// The id of the key that what they make belongs to; none when it belongs to the admin or to everyone.
    pub(crate) fn owner(&self) -> Option<String> {
        match &self.who {
            Who::Key { id, .. } => Some(id.clone()),
            Who::Anyone | Who::Session { .. } | Who::Inside => None,
        }
    }

    /// Whether they may do what needs this scope.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`], with what they lack.
    pub(crate) fn require(&self, wanted: Scope) -> Result<(), ApiError> {
        if self.scopes.iter().any(|scope| scope.implies(wanted)) {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::Forbidden,
            format!(
                "this needs the scope {wanted}, which {} lacks",
                self.label()
            ),
        )
        .hint(format!(
            "use a key with it; an admin makes one: thaw key create NAME --scope {wanted}"
        )))
    }

    /// For logs and the audit log.
    pub(crate) fn label(&self) -> String {
        match &self.who {
            Who::Anyone => "anyone (authentication is off)".to_owned(),
            Who::Key { id, name } => format!("key {name:?} ({id})"),
            Who::Session { .. } => "the admin's session".to_owned(),
            Who::Inside => "the program itself".to_owned(),
        }
    }

    /// For whoever asks who they are.
    pub(crate) fn whoami(&self) -> Whoami {
        let (kind, name) = match &self.who {
            Who::Anyone => (IdentityKind::Anyone, None),
            Who::Key { name, .. } => (IdentityKind::Key, Some(name.clone())),
            Who::Session { .. } => (IdentityKind::Session, None),
            Who::Inside => (IdentityKind::Inside, None),
        };
        Whoami {
            kind,
            name,
            scopes: self.scopes.clone(),
            expires_at: self.expires_at,
        }
    }
}
