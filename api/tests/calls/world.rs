//! A service on the fake engine, in a storage root of its own, listening on loopback.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use thaw_api::{ApiConfig, Dashboard, ServerConfig, Service, Stopped, auth::Auth};
use thaw_runner::{
    Runner, RunnerLimits, Store,
    functions::{Functions, FunctionsConfig, FunctionsLimits},
    node::{
        LocalNode, Node, NodeLimits, PoolSettings, ensure_fake_image, fake_limits,
        fake_node_config, vmm::FakeEngine,
    },
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What stands in for the dashboard's files.
const DASHBOARD: Dashboard = Dashboard::new(&[
    ("assets/app-1a2b.js", b"go()"),
    ("index.html", b"<!doctype html>"),
]);

pub(crate) struct World {
    pub(crate) engine: FakeEngine,
    pub(crate) address: SocketAddr,
    runner: Runner,
    client: reqwest::Client,
    stop: CancellationToken,
    serving: JoinHandle<Stopped>,
    _folder: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// The code of a refusal, after checking that it has the one shape of errors.
    pub(crate) fn code(&self) -> &str {
        assert!(self.status >= 400, "{self:?}");
        let error = self.body["error"].as_object().unwrap();
        assert!(!error["message"].as_str().unwrap().is_empty());
        error["code"].as_str().unwrap()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap()
    }

    pub(crate) fn hint(&self) -> &str {
        self.body["error"]["hint"].as_str().unwrap_or_default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world whose node has other bounds.
    pub(crate) async fn with(change: impl FnOnce(&mut NodeLimits)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = FakeEngine::default();
        let mut limits = NodeLimits {
            pool: PoolSettings {
                min: 1,
                max: 4,
                idle: Duration::from_secs(300),
            },
            ..fake_limits()
        };
        change(&mut limits);
        let config = fake_node_config(folder.path(), &engine, limits).unwrap();
        ensure_fake_image(&config.images).await.unwrap();
        let node: Arc<dyn Node> = Arc::new(LocalNode::open(config).await.unwrap());
        let store = Store::open(&folder.path().join("runner.db")).unwrap();
        let config = FunctionsConfig {
            folder: folder.path().join("functions"),
            limits: FunctionsLimits {
                retry_pause: Duration::from_millis(5),
                ..FunctionsLimits::default()
            },
        };
        let functions = Functions::open(Arc::clone(&node), store.clone(), config).await;
        let runner = Runner::open(node, store, RunnerLimits::default());
        let runner = runner.await.unwrap();
        let mut config = ApiConfig::new(folder.path().join("run/uploads"));
        config.dashboard = DASHBOARD;
        let service = Service::open(
            runner.clone(),
            functions.unwrap(),
            Auth::open(folder.path()).unwrap(),
            config,
        )
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = {
            let stop = stop.clone();
            let config = ServerConfig::default();
            own(async move {
                thaw_api::serve(listener, service, &config, stop)
                    .await
                    .unwrap()
            })
        };
        Self {
            engine,
            address,
            runner,
            client: reqwest::Client::new(),
            stop,
            serving,
            _folder: folder,
        }
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// What Prometheus scrapes.
    pub(crate) async fn metrics(&self) -> String {
        let scraped = self.call("GET", "/metrics", None).await;
        scraped.body.as_str().unwrap().to_owned()
    }

    /// A request to be sent.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        let method = method.parse().unwrap();
        self.client.request(method, url).timeout(PATIENCE)
    }

    /// `POST /v1/exec` in the image that is there; `more` is added to the request.
    pub(crate) async fn exec(&self, more: Value) -> Answer {
        self.call("POST", "/v1/exec", Some(exec(more))).await
    }

    /// `POST /v1/exec` answered with events: their names and data.
    pub(crate) async fn events(&self, more: Value) -> Vec<(String, Value)> {
        let request = self.request("POST", "/v1/exec").json(&exec(more));
        let response = request.header("accept", "text/event-stream").send().await;
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        events_of(&response.text().await.unwrap())
    }

    /// Waits until no VM is leased. A second is the promise; the rest is for a busy machine.
    pub(crate) async fn nothing_is_leased(&self) {
        self.leased_within(Duration::from_secs(3), 0).await;
    }

    /// Waits until so many VMs are leased.
    pub(crate) async fn leased(&self, wanted: u32) {
        self.leased_within(PATIENCE, wanted).await;
    }

    async fn leased_within(&self, within: Duration, wanted: u32) {
        let node = self.runner.node();
        let looking = async {
            loop {
                let pools = node.pools().await;
                if pools.iter().map(|pool| pool.leased).sum::<u32>() == wanted {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let seen = tokio::time::timeout(within, looking).await;
        assert!(seen.is_ok(), "{:?}", node.pools().await);
    }

    /// Stops serving, and checks that no VM is left.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        assert_eq!(self.serving.await.unwrap(), Stopped::Drained);
        self.runner.shut_down().await;
        assert_eq!(self.engine.live(), []);
    }
}

/// The sum of the metrics whose lines have all of these parts.
pub(crate) fn sum_of(metrics: &str, parts: &[&str]) -> f64 {
    let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
    let lines = metrics.lines().filter(has_all);
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    lines.map(value).sum()
}

/// The image that is there, and what is added.
pub(crate) fn exec(more: Value) -> Value {
    let mut request = json!({ "image": "tiny", "memory_mib": 128 });
    let fields = more.as_object().unwrap().clone();
    request.as_object_mut().unwrap().extend(fields);
    request
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let (status, retry_after) = (response.status().as_u16(), header("retry-after"));
    let text = response.text().await.unwrap();
    Answer {
        status,
        retry_after,
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

fn events_of(text: &str) -> Vec<(String, Value)> {
    let blocks = text.split("\n\n").filter(|block| block.contains("event: "));
    let events = blocks.map(|block| {
        let field = |name: &str| {
            let mut lines = block.lines();
            lines.find_map(|line| line.strip_prefix(name)).unwrap()
        };
        let data = serde_json::from_str(field("data: ")).unwrap();
        (field("event: ").to_owned(), data)
    });
    events.collect()
}

/// A task that the world owns and waits for.
#[expect(clippy::disallowed_methods, reason = "the world joins it")]
fn own<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}
