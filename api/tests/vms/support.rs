//! The service on a storage root of its own, listening on loopback.

use std::{collections::BTreeSet, sync::Arc};

use tempfile::TempDir;
use thaw_api::{
    ApiConfig, ServerConfig, Service, Stopped,
    auth::{ApiDb, Auth, NewKey, StoredPassword},
    listen, serve,
};
use thaw_api_types::{CreateVmRequest, Scope, client::Client};
use thaw_runner::{
    CountLimits, Runner, RunnerLimits, Store,
    functions::{Functions, FunctionsConfig, FunctionsLimits},
    node::{LocalNode, Node, ensure_fake_image, fake_limits, fake_node_config, vmm::FakeEngine},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) server: String,
    runner: Runner,
    serving: JoinSet<std::io::Result<Stopped>>,
    stop: CancellationToken,
    folder: TempDir,
}

impl World {
    /// With room for 8 VMs.
    pub(crate) async fn new() -> Self {
        Self::with_limits(RunnerLimits {
            vms: CountLimits {
                total: 8,
                per_key: 8,
            },
            ..RunnerLimits::default()
        })
        .await
    }

    pub(crate) async fn with_limits(limits: RunnerLimits) -> Self {
        Self::on(tempfile::tempdir().unwrap(), limits).await
    }

    /// On a storage root that is `root` in a folder.
    pub(crate) async fn on(folder: TempDir, limits: RunnerLimits) -> Self {
        // Beside the root there is something that no request may touch.
        let root = folder.path().join("root");
        std::fs::write(folder.path().join("outside"), "untouched").unwrap();
        let config = fake_node_config(&root, &FakeEngine::default(), fake_limits()).unwrap();
        ensure_fake_image(&config.images).await.unwrap();
        let node: Arc<dyn Node> = Arc::new(LocalNode::open(config).await.unwrap());
        let store = Store::open(&root.join("runner.db")).unwrap();
        let functions = FunctionsConfig {
            folder: root.join("functions"),
            limits: FunctionsLimits::default(),
        };
        let functions = Functions::open(Arc::clone(&node), store.clone(), functions).await;
        let runner = Runner::open(node, store, limits).await.unwrap();
        let config = ApiConfig::new(root.join("run/uploads"));
        let service = Service::open(
            runner.clone(),
            functions.unwrap(),
            Auth::open(&root).unwrap(),
            config,
        )
        .unwrap();
        let listener = listen("127.0.0.1:0".parse().unwrap(), false, false)
            .await
            .unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let (stop, mut serving) = (CancellationToken::new(), JoinSet::new());
        let stopped = stop.clone();
        serving.spawn(
            async move { serve(listener, service, &ServerConfig::default(), stopped).await },
        );
        Self {
            client: Client::new(&server, None).unwrap(),
            server,
            runner,
            serving,
            stop,
            folder,
        }
    }

    /// Turns authentication on, as another program does; returns keys that may manage VMs.
    pub(crate) fn keys<const COUNT: usize>(&self) -> [String; COUNT] {
        let mut db = ApiDb::open(&self.folder.path().join("root")).unwrap();
        db.set_password(&StoredPassword::new("correct horse battery").unwrap())
            .unwrap();
        std::array::from_fn(|number| {
            let new = NewKey {
                name: format!("key {number}"),
                scopes: vec![Scope::Manage],
                expires_at: None,
            };
            let (key, _) = db.create_key(&new, 0).unwrap();
            key.expose().to_owned()
        })
    }

    /// A key that may do everything, once authentication is on.
    pub(crate) fn admin(&self) -> String {
        let mut db = ApiDb::open(&self.folder.path().join("root")).unwrap();
        let new = NewKey {
            name: "ops".to_owned(),
            scopes: vec![Scope::Admin],
            expires_at: None,
        };
        db.create_key(&new, 0).unwrap().0.expose().to_owned()
    }

    /// What lies beside the storage root: nothing that a request asks for may appear there.
    pub(crate) fn outside(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Stops the server and waits until every answer is whole.
    pub(crate) async fn close(mut self) {
        self.stop.cancel();
        let stopped = self.serving.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(stopped, Stopped::Drained);
        self.runner.shut_down().await;
        let outside = std::fs::read_to_string(self.folder.path().join("outside")).unwrap();
        assert_eq!(outside, "untouched");
    }
}

pub(crate) fn tiny(name: &str) -> CreateVmRequest {
    CreateVmRequest {
        image: Some("tiny".to_owned()),
        name: Some(name.to_owned()),
        memory_mib: Some(128),
        ..CreateVmRequest::default()
    }
}
