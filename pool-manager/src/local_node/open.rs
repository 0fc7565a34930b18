//! Opening a node: what an earlier daemon left is taken up or ended before anything new is started.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use thaw_image::ProgressSink;
use thiserror::Error;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::LocalNode;
use crate::{
    NodeConfig, NodeDbError, SettingsError, TemplateSelector,
    bake::Baker,
    blocking::blocking,
    budget::Budget,
    counters::Counters,
    error::chain,
    kept::{KeptSetup, KeptVms, Leases},
    memory::NodeMemory,
    node_db::NodeDb,
    pool::PoolSetup,
    pools::Pools,
    settings::StoredSettings,
    snapshots::SnapshotStore,
    start_gate::StartGate,
    template::TemplateStore,
};

/// The node could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A folder of the storage root.
    #[error("could not open {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The stored bounds of the pools.
    #[error("could not read the bounds of the pools")]
    Settings(#[from] SettingsError),
    /// What is recorded of VMs that stay.
    #[error(transparent)]
    Db(#[from] NodeDbError),
    /// VMs that stay could not be taken up, or what else an earlier daemon left behind could not be ended.
    #[error("could not take up what an earlier daemon left behind")]
    TakeUp(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The page server's threads.
    #[error("could not start the page server")]
    PageServer(#[source] io::Error),
}

impl LocalNode {
    /// Opens the storage root: takes up the VMs that stay, ends what else an earlier daemon left behind,
    /// reads the templates, and starts the pools that were given bounds. Other pools start on first use.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(config: NodeConfig) -> Result<Self, OpenError> {
        let root = config.storage.root().to_owned();
        let path = root.join("node.db");
        let db = blocking(move || NodeDb::open(&path)).await?;
        let scratch_folder = root.join("run/scratch");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&scratch_folder)
            .map_err(failed(&scratch_folder))?;
        let templates = root.join("templates");
        let store = TemplateStore::open(&templates).map_err(failed(&templates))?;
        let (tracker, counters) = (TaskTracker::new(), Arc::new(Counters::default()));
        let stop = CancellationToken::new();
        let memory =
            NodeMemory::start(config.memory, &tracker, &stop).map_err(OpenError::PageServer)?;
        let budget = Budget::new(&config.limits);
        let baker = Baker {
            engine: Arc::clone(&config.engine),
            kernel: config.kernel,
            images: config.images,
            store: Arc::new(store),
            memory: memory.clone(),
            limits: config.limits,
        };
        let setup = PoolSetup {
            engine: config.engine,
            memory: memory.clone(),
            limits: config.limits,
            budget: Arc::clone(&budget),
            gate: StartGate::new(config.limits.starts_at_once),
            counters: Arc::clone(&counters),
            scratch_folder,
            tracker: tracker.clone(),
            stop: stop.clone(),
        };
        let settings = StoredSettings::open(&root)?;
        let leases = Leases::default();
        let kept = KeptSetup {
            leases: Arc::clone(&leases),
            db,
            baker: baker.clone(),
            budget: Arc::clone(&budget),
            counters: Arc::clone(&counters),
            tracker: tracker.clone(),
        };
        let folder = root.join("snapshots");
        let images = Arc::clone(&baker.images);
        let opening = {
            let folder = folder.clone();
            move || SnapshotStore::open(&folder, images)
        };
        let snapshots = blocking(opening).await.map_err(failed(&folder))?;
        let folder = root.join("vms");
        let kept = KeptVms::open(kept, &folder).map_err(failed(&folder))?;
        // Before anything new is started.
        kept.take_up().await?;
        let node = Self {
            pools: Pools::new(baker, setup, settings, tracker.clone(), stop),
            leases,
            kept,
            snapshots,
            budget,
            counters,
            engine_reason: config.engine_reason,
            memory,
            tracker,
            _storage: config.storage,
        };
        node.start_known_pools();
        Ok(node)
    }

    fn start_known_pools(&self) {
        for id in self.pools.settings.templates() {
            let pools = Arc::clone(&self.pools);
            self.tracker.spawn(async move {
                let selector = TemplateSelector::Template(id);
                if let Err(error) = pools.find_or_make(&selector, &ProgressSink::none()).await {
                    tracing::warn!("a pool could not be started: {}", chain(&error));
                }
            });
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Folder { path, source }
}
