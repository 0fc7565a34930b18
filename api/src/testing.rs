//! The service over a node without virtual machines, for tests.

use std::sync::Arc;

use tempfile::TempDir;
use thaw_runner::{
    Runner, RunnerLimits, Store,
    functions::{Functions, FunctionsConfig, FunctionsLimits},
    node::{LocalNode, Node, fake_limits, fake_node_config, vmm::FakeEngine},
};

use crate::{auth::Auth, config::ApiConfig, state::App};

/// The service, its runner and its node on a storage root of their own.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = FakeEngine::default();
        let config = fake_node_config(folder.path(), &engine, fake_limits()).unwrap();
        let node: Arc<dyn Node> = Arc::new(LocalNode::open(config).await.unwrap());
        let store = Store::open(&folder.path().join("runner.db")).unwrap();
        let config = FunctionsConfig {
            folder: folder.path().join("functions"),
            limits: FunctionsLimits::default(),
        };
        let functions = Functions::open(Arc::clone(&node), store.clone(), config).await;
        let functions = functions.unwrap();
        let runner = Runner::open(node, store, RunnerLimits::default());
        let runner = runner.await.unwrap();
        let config = ApiConfig::new(folder.path().join("run/uploads"));
        let auth = Auth::open(folder.path()).unwrap();
        let app = App::new(runner, functions, auth, config).unwrap();
        Self { app, folder }
    }
}
