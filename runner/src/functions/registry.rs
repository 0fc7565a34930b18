//! The functions that are there, as they are used; what of them must outlive the daemon is in the database too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use super::{Alias, FunctionError, FunctionName, Version, limits::FunctionsLimits, logs::Logs};
use crate::store::FunctionRow;

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: FunctionName,
    pub(crate) created_at_ms: u64,
    pub(crate) logs: Logs,
    state: Mutex<State>,
}

/// What changes with a deploy, an alias and a removal.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) versions: BTreeMap<u64, Arc<Version>>,
    pub(crate) aliases: BTreeMap<String, Alias>,
    /// Numbers are never used twice.
    pub(crate) next_version: u64,
}

impl State {
    /// The newest version; there is one as long as the function is there.
    pub(crate) fn newest(&self) -> Option<Arc<Version>> {
        self.versions.values().next_back().cloned()
    }

    /// Whether a version is to be kept warm: the newest one, and those that an alias leads to.
    pub(crate) fn is_live(&self, number: u64) -> bool {
        let newest = self.versions.keys().next_back() == Some(&number);
        newest || self.alias_of(number).is_some()
    }

    /// An alias that leads to a version.
    pub(crate) fn alias_of(&self, number: u64) -> Option<&Alias> {
        let leads = |alias: &&Alias| alias.routes.iter().any(|route| route.version == number);
        self.aliases.values().find(leads)
    }
}

impl Function {
    pub(crate) fn new(name: FunctionName, created_at_ms: u64, limits: &FunctionsLimits) -> Self {
        Self {
            name,
            created_at_ms,
            logs: Logs::new(limits.logs_bytes),
            state: Mutex::new(State {
                next_version: 1,
                ..State::default()
            }),
        }
    }

    pub(crate) fn of_row(name: FunctionName, row: FunctionRow, limits: &FunctionsLimits) -> Self {
        let function = Self::new(name, row.created_at_ms, limits);
        let mut state = function.state();
        state.next_version = row.next_version;
        let versions = row.versions.into_iter().map(Version::new);
        state.versions = versions
            .map(|version| (version.number, Arc::new(version)))
            .collect();
        let aliases = row.aliases.into_iter();
        state.aliases = aliases.map(|alias| (alias.name.clone(), alias)).collect();
        drop(state);
        function
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every update is one call, so a panic elsewhere can't have left it half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version that a qualifier means: none or `$LATEST` the newest, a number that version, else an
    /// alias, which draws one of its versions.
    pub(crate) fn version(&self, qualifier: Option<&str>) -> Result<Arc<Version>, FunctionError> {
        let state = self.state();
        let missing = || FunctionError::NoVersion {
            function: self.name.to_string(),
            qualifier: qualifier.unwrap_or("$LATEST").to_owned(),
        };
        let number = match qualifier {
            None | Some("$LATEST") => return state.newest().ok_or_else(missing),
            Some(text) => match text.parse() {
                Ok(number) => number,
                Err(_) => {
                    let alias = state.aliases.get(text).ok_or_else(missing)?;
                    alias.choose(draw())
                }
            },
        };
        state.versions.get(&number).cloned().ok_or_else(missing)
    }
}

/// A number from 0 to 1, and 1 not among it. Where the kernel gives none, the first route is taken.
fn draw() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.0,
    }
}

/// All functions, by name.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<BTreeMap<String, Arc<Function>>>);

impl Registry {
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Function>, FunctionError> {
        let found = self.read().get(name).cloned();
        found.ok_or_else(|| FunctionError::NotFound(name.to_owned()))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Function>> {
        self.read().values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    pub(crate) fn enter(&self, function: Arc<Function>) {
        let mut functions = self.0.write().unwrap_or_else(PoisonError::into_inner);
        functions.insert(function.name.to_string(), function);
    }

    pub(crate) fn remove(&self, name: &str) {
        let mut functions = self.0.write().unwrap_or_else(PoisonError::into_inner);
        functions.remove(name);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Function>>> {
        // Every update is one insert or remove, so a panic elsewhere can't have left it half-done.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
