//! Opening the functions: what was remembered and what is there are brought together.
//!
//! ```text
//! code without a version ──► removed          a function's template without a version ──► removed
//! ```

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use thaw_pool_manager::{Node, Shortage, TemplateId, TemplateInfo};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CodeError, FunctionName, Functions, FunctionsConfig, Version,
    admission::Share,
    code::CodeStore,
    desk::Desk,
    observe::Observer,
    registry::{Function, Registry},
    service::Inner,
};
use crate::{Store, StoreError};

/// How often clones are looked at that may have been idle for too long.
const LOOK: Duration = Duration::from_secs(5);

/// The functions could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFunctionsError {
    /// The folder of code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A function's name, which this version does not write.
    #[error("the runner's database holds a function without a proper name")]
    Name(#[from] super::BadName),
}

/// The digest of the image that a template was made of; empty when the template is gone.
fn image_of(templates: &[TemplateInfo], id: &TemplateId) -> String {
    let found = templates.iter().find(|template| template.id == *id);
    found.map_or_else(String::new, |template| template.image.clone())
}

impl Functions {
    /// Opens the functions of a node.
    ///
    /// # Errors
    /// See [`OpenFunctionsError`].
    pub async fn open(
        node: Arc<dyn Node>,
        store: Store,
        config: FunctionsConfig,
    ) -> Result<Self, OpenFunctionsError> {
        let limits = config.limits;
        let code = CodeStore::open(&config.folder.join("code"), limits.code)?;
        let registry = Registry::default();
        let (mut digests, mut templates) = (BTreeSet::new(), BTreeSet::new());
        let there = node.templates().await;
        for mut row in store.functions().await? {
            for version in &mut row.versions {
                if version.image_digest.is_empty() {
                    version.image_digest = image_of(&there, &version.template);
                }
                digests.insert(version.code_digest.clone());
                templates.insert(version.template.clone());
            }
            let name = FunctionName::new(row.name.clone())?;
            registry.enter(Arc::new(Function::of_row(name, row, &limits)));
        }
        for digest in code.list()? {
            if !digests.contains(&digest) {
                tracing::warn!(digest, "removed code that no version uses");
                code.remove_unused(&digest, || false)?;
            }
        }
        for template in there {
            if template.is_function && !templates.contains(&template.id) {
                tracing::warn!(template = %template.id, "removed a template that no version uses");
                if let Err(error) = node.remove_template(&template.id).await {
                    tracing::warn!(template = %template.id, %error, "it could not be removed");
                }
            }
        }
        let functions = Self(Arc::new(Inner {
            node,
            desk: Desk::new(Share {
                running: limits.running,
                waiting: limits.waiting,
                starting: u32::MAX,
            }),
            limits,
            store,
            code,
            registry,
            change: tokio::sync::Mutex::new(()),
            queued: tokio::sync::Notify::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            observer: Observer::default(),
        }));
        let (tasks, keeper) = (functions.0.tasks.clone(), functions.clone());
        tasks.spawn(async move { keeper.release_idle_clones().await });
        let server = functions.clone();
        tasks.spawn(async move { server.serve_events().await });
        Ok(functions)
    }

    /// Releases clones that wait to be used again, when they have been idle for too long or others need their
    /// room, until the functions are shut down.
    async fn release_idle_clones(&self) {
        let mut look = tokio::time::interval(LOOK);
        let mut shortage = self.0.node.shortage();
        loop {
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                _ = look.tick() => {}
                Ok(()) = shortage.changed() => {}
            }
            let lacking = *shortage.borrow_and_update();
            self.make_room(lacking);
            for version in self.versions_of_all() {
                let idle = version.spec.idle.min(self.0.limits.clone_idle);
                version.clones.release_idle(idle);
            }
        }
    }

    /// Releases those that have waited longest, of whatever function, until they make up for what is lacking.
    fn make_room(&self, lacking: Shortage) {
        let mut left = lacking;
        while left != Shortage::default() {
            let versions = self.versions_of_all();
            let waiting = versions
                .iter()
                .filter_map(|version| Some((version.clones.oldest()?, version)));
            let Some((_, version)) = waiting.min_by_key(|(since, _)| *since) else {
                return;
            };
            if version.clones.release_oldest() {
                let memory_mib = u64::from(version.spec.shape.memory_mib);
                left.vmms = left.vmms.saturating_sub(1);
                left.memory_mib = left.memory_mib.saturating_sub(memory_mib);
            }
        }
    }

    fn versions_of_all(&self) -> Vec<Arc<Version>> {
        let functions = self.0.registry.all();
        let versions = |function: &Arc<Function>| -> Vec<_> {
            function.state().versions.values().cloned().collect()
        };
        functions.iter().flat_map(versions).collect()
    }
}
