//! What a key may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a key may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything.
    Read,
    /// Run programs and invoke functions.
    Invoke,
    /// Make, change and remove VMs, snapshots, images, pools and functions; all of `invoke` and `read` too.
    Manage,
    /// Everything, keys and the audit log included.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Invoke, Self::Manage, Self::Admin];

    /// The scope as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Invoke => "invoke",
            Self::Manage => "manage",
            Self::Admin => "admin",
        }
    }

    /// Whether whoever has this scope may do what `wanted` allows.
    pub fn implies(self, wanted: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Manage => wanted != Self::Admin,
            Self::Invoke | Self::Read => wanted == self,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownScope(String);

impl fmt::Display for UnknownScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there is no scope {:?}; there are read, invoke, manage and admin",
            self.0
        )
    }
}

impl std::error::Error for UnknownScope {}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_may_do_all_and_manage_all_but_what_is_admins() {
        let implied = |scope: Scope| Scope::ALL.map(|wanted| scope.implies(wanted));
        assert_eq!(implied(Scope::Read), [true, false, false, false]);
        assert_eq!(implied(Scope::Invoke), [false, true, false, false]);
        assert_eq!(implied(Scope::Manage), [true, true, true, false]);
        assert_eq!(implied(Scope::Admin), [true, true, true, true]);
    }

    #[test]
    fn a_scope_reads_as_it_is_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
            let json = serde_json::to_string(&scope).unwrap();
            assert_eq!(json, format!("\"{scope}\""));
        }
        assert!("root".parse::<Scope>().is_err());
    }
}
