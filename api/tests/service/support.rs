//! The service on a node without virtual machines, as its clients see it.

use std::{net::SocketAddr, path::Path, sync::Arc};

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use thaw_api::{
    ApiConfig, ServerConfig, Service, Stopped,
    auth::{ApiDb, Auth, NewKey, StoredPassword},
    listen, serve,
};
use thaw_api_types::Scope;
use thaw_runner::{
    Runner, RunnerLimits, Store,
    functions::{Functions, FunctionsConfig, FunctionsLimits},
    node::{LocalNode, Node, fake_limits, fake_node_config, vmm::FakeEngine},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The admin's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A service that serves.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
    functions: Functions,
    stop: CancellationToken,
    serving: JoinSet<std::io::Result<Stopped>>,
}

impl Server {
    pub(crate) async fn start(root: &Path, exposed: bool) -> Self {
        let config = fake_node_config(root, &FakeEngine::default(), fake_limits()).unwrap();
        let node: Arc<dyn Node> = Arc::new(LocalNode::open(config).await.unwrap());
        let store = Store::open(&root.join("runner.db")).unwrap();
        let config = FunctionsConfig {
            folder: root.join("functions"),
            limits: FunctionsLimits::default(),
        };
        let functions = Functions::open(Arc::clone(&node), store.clone(), config).await;
        let functions = functions.unwrap();
        let runner = Runner::open(node, store, RunnerLimits::default());
        let runner = runner.await.unwrap();
        let mut config = ApiConfig::new(root.join("run/uploads"));
        config.exposed = exposed;
        let service =
            Service::open(runner, functions.clone(), Auth::open(root).unwrap(), config).unwrap();
        let listener = listen(([127, 0, 0, 1], 0).into(), false, false)
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        let stopped = stop.clone();
        serving.spawn(
            async move { serve(listener, service, &ServerConfig::default(), stopped).await },
        );
        Self {
            address,
            http: reqwest::Client::new(),
            functions,
            stop,
            serving,
        }
    }

    pub(crate) async fn stop(mut self) {
        drop(self.http);
        self.stop.cancel();
        while let Some(ended) = self.serving.join_next().await {
            assert_eq!(ended.unwrap().unwrap(), Stopped::Drained);
        }
        self.functions.shut_down().await;
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.origin()))
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> StatusCode {
        let request = self.ask(Method::GET, path).bearer_auth(key);
        request.send().await.unwrap().status()
    }

    pub(crate) async fn login(&self, password: &str) -> Response {
        let request = self.ask(Method::POST, "/v1/login");
        let body = json!({ "password": password });
        request.json(&body).send().await.unwrap()
    }

    pub(crate) async fn session(&self) -> String {
        let answer = self.login(PASSWORD).await;
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=86400"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        cookie.split(';').next().unwrap().to_owned()
    }
}

/// Turns authentication on, as another program does.
pub(crate) fn set_password(root: &TempDir) -> ApiDb {
    let mut db = ApiDb::open(root.path()).unwrap();
    db.set_password(&StoredPassword::new(PASSWORD).unwrap())
        .unwrap();
    db
}

/// A key with one scope.
pub(crate) fn key(db: &mut ApiDb, name: &str, scope: Scope) -> String {
    let new = NewKey {
        name: name.to_owned(),
        scopes: vec![scope],
        expires_at: None,
    };
    db.create_key(&new, 0).unwrap().0.expose().to_owned()
}
