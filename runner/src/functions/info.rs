//! What is told of a function.

use std::sync::Arc;

use super::{Alias, FunctionName, Functions, Version, registry::Function};

/// A function.
#[derive(Debug, Clone)]
pub struct FunctionInfo {
    /// Its name.
    pub name: FunctionName,
    /// Its newest version.
    pub newest: Arc<Version>,
    /// How many versions it has.
    pub versions: usize,
    /// Its aliases, by name.
    pub aliases: Vec<Alias>,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at_ms: u64,
    /// Events that it serves now.
    pub running: u32,
    /// Events that wait.
    pub waiting: u32,
    /// The newest error, with its invocation's id.
    pub last_error: Option<(String, String)>,
}

impl Functions {
    /// None when it has just been removed.
    pub(super) fn describe(&self, function: &Arc<Function>) -> Option<FunctionInfo> {
        let (newest, versions, aliases) = {
            let state = function.state();
            let aliases = state.aliases.values().cloned().collect();
            (state.newest()?, state.versions.len(), aliases)
        };
        let (running, waiting) = self.0.desk.of(function.name.as_str());
        Some(FunctionInfo {
            name: function.name.clone(),
            newest,
            versions,
            aliases,
            created_at_ms: function.created_at_ms,
            running,
            waiting,
            last_error: function.logs.last_error(),
        })
    }
}
