//! What is told of a function.

use std::sync::Arc;

use thaw_pool_manager::TemplateId;

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

/// What a function does and has at this moment.
#[derive(Debug, Clone)]
pub struct FunctionStanding {
    /// Its name.
    pub name: FunctionName,
    /// Events that it serves.
    pub running: u32,
    /// Events that wait.
    pub waiting: u32,
    /// Clones that have served an event and wait for the next.
    pub kept: usize,
    /// The templates of its versions, whose pools park clones for it.
    pub templates: Vec<TemplateId>,
}

impl Functions {
    /// What every function does and has now, by name.
    pub fn standing(&self) -> Vec<FunctionStanding> {
        let functions = self.0.registry.all();
        let standing = |function: &Arc<Function>| {
            let versions: Vec<_> = function.state().versions.values().cloned().collect();
            let (running, waiting) = self.0.desk.of(function.name.as_str());
            FunctionStanding {
                name: function.name.clone(),
                running,
                waiting,
                kept: versions.iter().map(|version| version.clones.count()).sum(),
                templates: versions.iter().map(|version| version.template()).collect(),
            }
        };
        functions.iter().map(standing).collect()
    }

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
