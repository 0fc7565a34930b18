//! Removing functions and versions: no new event is taken, those under way end, then everything goes.

use std::{sync::Arc, time::Duration};

use thaw_pool_manager::{AdminError, TemplateId};

use super::{FunctionError, Functions, Version};

/// A clone's process is gone within a second of its release; this often its template is tried.
const TRIES: u32 = 20;
/// So much later each time.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

impl Functions {
    /// Removes a function with all versions and aliases. Events that it serves now are served to their end.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn remove(&self, name: &str) -> Result<(), FunctionError> {
        let _change = self.0.change.lock().await;
        let function = self.0.registry.find(name)?;
        self.0.store.remove_function(&function.name).await?;
        self.0.registry.remove(name);
        let versions = std::mem::take(&mut function.state().versions);
        for version in versions.into_values() {
            self.clear_away(version);
        }
        Ok(())
    }

    /// Removes a version that is neither the newest one nor one that an alias leads to.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn remove_version(&self, name: &str, number: u64) -> Result<(), FunctionError> {
        let _change = self.0.change.lock().await;
        let function = self.0.registry.find(name)?;
        {
            let state = function.state();
            let by = if !state.versions.contains_key(&number) {
                return Err(FunctionError::NoVersion {
                    function: name.to_owned(),
                    qualifier: number.to_string(),
                });
            } else if let Some(alias) = state.alias_of(number) {
                Some(format!("alias {:?} leads to it", alias.name))
            } else if state.versions.keys().next_back() == Some(&number) {
                Some("it is the newest one".to_owned())
            } else {
                None
            };
            if let Some(by) = by {
                return Err(FunctionError::InUse {
                    function: name.to_owned(),
                    version: number,
                    by,
                });
            }
        }
        self.0.store.remove_version(&function.name, number).await?;
        let removed = function.state().versions.remove(&number);
        if let Some(version) = removed {
            self.clear_away(version);
            self.set_bounds(&function).await;
        }
        Ok(())
    }

    /// Removes what a version leaves, once its last event has been served. What a killed daemon does not get
    /// to is removed at the next start.
    fn clear_away(&self, version: Arc<Version>) {
        let functions = self.clone();
        self.0.tasks.spawn(async move {
            version.clones.close();
            version.serving.close();
            let clearing = async {
                version.serving.wait().await;
                version.clones.close();
                functions.remove_unused_template(&version.template()).await;
                functions.remove_unused_code(&version.code_digest);
            };
            functions.0.stop.run_until_cancelled(clearing).await;
        });
    }

    async fn remove_unused_template(&self, template: &TemplateId) {
        for attempt in 1..=TRIES {
            let change = self.0.change.lock().await;
            if self.uses(|version| version.template() == *template) {
                return;
            }
            let removed = self.0.node.remove_template(template).await;
            drop(change);
            match removed {
                // The node does not say when the last process of a template is gone.
                Err(AdminError::InUse { .. }) => {
                    let pause = BETWEEN_TRIES * attempt;
                    let _ = tokio::time::timeout(pause, std::future::pending::<()>()).await;
                }
                Err(AdminError::NotFound { .. }) | Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%template, %error, "could not remove a function's template");
                    return;
                }
            }
        }
        tracing::warn!(%template, "a removed function's template is still in use; it goes at the next start");
    }

    /// Removes code, unless a version uses it or a deploy is about to.
    pub(super) fn remove_unused_code(&self, digest: &str) {
        let is_used = || self.uses(|version| version.code_digest == digest);
        if let Err(error) = self.0.code.remove_unused(digest, is_used) {
            tracing::warn!(digest, %error, "could not remove a function's code");
        }
    }

    fn uses(&self, is_it: impl Fn(&Version) -> bool) -> bool {
        let functions = self.0.registry.all();
        functions.iter().any(|function| {
            let state = function.state();
            state.versions.values().any(|version| is_it(version))
        })
    }
}
