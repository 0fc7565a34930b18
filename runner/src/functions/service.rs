//! What the API calls about functions.

use std::sync::Arc;

use thaw_pool_manager::{Node, TemplateSelector};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Alias, FunctionError, FunctionInfo, FunctionsLimits, InvocationLog, LogQuery, Route, Version,
    aliases,
    bounds::{self, Wish},
    code::CodeStore,
    desk::Desk,
    names::check_alias,
    observe::{Observed, Observer},
    registry::{Function, Registry},
};
use crate::Store;

/// The functions of one daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Functions(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) node: Arc<dyn Node>,
    pub(super) limits: FunctionsLimits,
    pub(super) store: Store,
    pub(super) code: CodeStore,
    pub(super) registry: Registry,
    pub(super) desk: Desk,
    /// Held for every change of what is deployed: there is one writer at a time.
    pub(super) change: tokio::sync::Mutex<()>,
    /// Told when an event was queued.
    pub(super) queued: tokio::sync::Notify,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) observer: Observer,
}

impl Functions {
    /// Every function, by name.
    pub fn list(&self) -> Vec<FunctionInfo> {
        let functions = self.0.registry.all();
        functions.iter().filter_map(|f| self.describe(f)).collect()
    }

    /// Finds a function.
    ///
    /// # Errors
    /// [`FunctionError::NotFound`].
    pub fn find(&self, name: &str) -> Result<FunctionInfo, FunctionError> {
        let function = self.0.registry.find(name)?;
        self.describe(&function)
            .ok_or_else(|| FunctionError::NotFound(name.to_owned()))
    }

    /// The bounds.
    pub fn limits(&self) -> &FunctionsLimits {
        &self.0.limits
    }

    /// Has every event told once it is over, of functions that are there; only the first who asks is told. It is called
    /// in the middle of the work, so it must not wait.
    pub fn observe(&self, tell: impl Fn(&Observed<'_>) + Send + Sync + 'static) {
        self.0.observer.set(Box::new(tell));
    }

    /// Every version of a function, oldest first.
    ///
    /// # Errors
    /// [`FunctionError::NotFound`].
    pub fn versions(&self, name: &str) -> Result<Vec<Arc<Version>>, FunctionError> {
        let function = self.0.registry.find(name)?;
        let state = function.state();
        Ok(state.versions.values().cloned().collect())
    }

    /// Makes an alias, or leads one elsewhere.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn put_alias(
        &self,
        name: &str,
        alias: &str,
        routes: Vec<Route>,
    ) -> Result<Alias, FunctionError> {
        check_alias(alias)?;
        aliases::check(&routes)?;
        self.change_alias(name, alias, |known| {
            Ok(match known {
                Some(mut known) => {
                    known.lead(routes);
                    known
                }
                None => Alias {
                    name: alias.to_owned(),
                    routes,
                    previous: None,
                },
            })
        })
        .await
    }

    /// Leads an alias where it led before.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn roll_back(&self, name: &str, alias: &str) -> Result<Alias, FunctionError> {
        self.change_alias(name, alias, |known| {
            let mut known = known.ok_or_else(|| FunctionError::NoVersion {
                function: name.to_owned(),
                qualifier: alias.to_owned(),
            })?;
            known.roll_back()?;
            Ok(known)
        })
        .await
    }

    /// Forgets an alias.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn remove_alias(&self, name: &str, alias: &str) -> Result<(), FunctionError> {
        let _change = self.0.change.lock().await;
        let function = self.0.registry.find(name)?;
        if !function.state().aliases.contains_key(alias) {
            return Err(FunctionError::NoVersion {
                function: name.to_owned(),
                qualifier: alias.to_owned(),
            });
        }
        self.0.store.remove_alias(&function.name, alias).await?;
        function.state().aliases.remove(alias);
        self.set_bounds(&function).await;
        Ok(())
    }

    /// The logs of a function, oldest first.
    ///
    /// # Errors
    /// [`FunctionError::NotFound`].
    pub fn logs(&self, name: &str, query: &LogQuery) -> Result<Vec<InvocationLog>, FunctionError> {
        Ok(self.0.registry.find(name)?.logs.find(query))
    }

    /// Tells the newest log's sequence number, now and whenever it changes; ends with the function.
    ///
    /// # Errors
    /// [`FunctionError::NotFound`].
    pub fn watch_logs(&self, name: &str) -> Result<watch::Receiver<u64>, FunctionError> {
        Ok(self.0.registry.find(name)?.logs.watch())
    }

    /// Ends what runs in the background. Invocations under way end with the node.
    pub async fn shut_down(&self) {
        self.0.stop.cancel();
        for function in self.0.registry.all() {
            let versions: Vec<_> = function.state().versions.values().cloned().collect();
            for version in versions {
                version.clones.close();
            }
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn change_alias(
        &self,
        name: &str,
        alias: &str,
        change: impl FnOnce(Option<Alias>) -> Result<Alias, FunctionError>,
    ) -> Result<Alias, FunctionError> {
        let _change = self.0.change.lock().await;
        let function = self.0.registry.find(name)?;
        let changed = {
            let state = function.state();
            let changed = change(state.aliases.get(alias).cloned())?;
            for route in &changed.routes {
                if !state.versions.contains_key(&route.version) {
                    return Err(FunctionError::NoVersion {
                        function: name.to_owned(),
                        qualifier: route.version.to_string(),
                    });
                }
            }
            changed
        };
        self.0
            .store
            .put_alias(&function.name, changed.clone())
            .await?;
        let kept = changed.clone();
        function.state().aliases.insert(alias.to_owned(), kept);
        self.set_bounds(&function).await;
        Ok(changed)
    }

    /// Keeps warm what is live, and nothing else.
    pub(super) async fn set_bounds(&self, function: &Function) {
        let pools = {
            let state = function.state();
            bounds::combine(state.versions.values().map(|version| Wish {
                template: version.template(),
                is_live: state.is_live(version.number),
                spec: &version.spec,
            }))
        };
        for (template, settings) in pools {
            let selector = TemplateSelector::Template(template.clone());
            if let Err(error) = self.0.node.set_pool(&selector, settings).await {
                // Its events are served all the same, only not from parked clones.
                tracing::warn!(function = %function.name, %template, %error,
                    "could not set the bounds of a function's pool");
            }
        }
    }
}
