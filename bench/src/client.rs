//! The few calls that are measured. Latency is taken around the whole HTTP exchange.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

/// No call of the bench may take longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(300);

/// How often the pool is looked at while the bench waits for it to fill.
const POOL_POLL: Duration = Duration::from_millis(20);

/// A connection to the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// None.
    Empty,
    /// JSON.
    Json(Value),
    /// Bytes as they are.
    Bytes(Vec<u8>),
}

/// What an exec answered, and how long the exchange took.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The whole HTTP exchange.
    pub(crate) wall: Duration,
    /// The response.
    pub(crate) exec: Exec,
}

/// The part of an exec's response that is used here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Exec {
    /// 0 for success.
    pub(crate) exit_code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    /// `parked`, `restored`, `cold` or `reused`.
    pub(crate) start: String,
    /// Where the time went.
    pub(crate) timings_us: Timings,
    /// What the guest says of its part.
    pub(crate) guest_us: Guest,
}

/// What a guest says of its part of an exec, in microseconds.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Guest {
    /// Putting a fresh VM right.
    pub(crate) wake: u64,
    /// Starting the program.
    pub(crate) spawn: u64,
    /// From its start to the end of its output.
    pub(crate) run: u64,
}

/// Stages of an exec, in microseconds.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Timings {
    /// The daemon's own part.
    pub(crate) daemon: u64,
    /// Waiting for a clone.
    pub(crate) queue: u64,
    /// Restoring one.
    pub(crate) restore: u64,
    /// Letting it run.
    pub(crate) resume: u64,
    /// Handing the request over.
    pub(crate) connect: u64,
    /// In the guest.
    pub(crate) exec: u64,
}

/// The part of a pool that is used here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Pool {
    /// Its template.
    pub(crate) template: String,
    /// Parked clones.
    pub(crate) parked: u32,
    /// Shells that wait.
    pub(crate) shells: u32,
    /// Clones on their way.
    pub(crate) starting: u32,
    /// Leased clones.
    pub(crate) leased: u32,
}

impl Client {
    /// Prepares to talk to a daemon.
    pub(crate) fn new(server: &str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(CALL_TIMEOUT).build()?;
        Ok(Self {
            http,
            server: server.trim_end_matches('/').to_owned(),
        })
    }

    /// Another client of the same daemon, with connections of its own.
    pub(crate) fn another(&self) -> Result<Self> {
        Self::new(&self.server)
    }

    /// The daemon's address.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Runs something in a fresh VM.
    pub(crate) async fn exec(&self, image: &str, what: Value) -> Result<Answer> {
        let mut body = what;
        body["image"] = json!(image);
        self.run("/v1/exec", body).await
    }

    /// Runs something in a VM that is there.
    pub(crate) async fn exec_in(&self, vm: &str, what: Value) -> Result<Answer> {
        self.run(&format!("/v1/vms/{vm}/exec"), what).await
    }

    async fn run(&self, path: &str, body: Value) -> Result<Answer> {
        let begin = Instant::now();
        let value = self.call(reqwest::Method::POST, path, Some(body)).await?;
        Ok(Answer {
            wall: begin.elapsed(),
            exec: serde_json::from_value(value).context("reading an exec's answer")?,
        })
    }

    /// Makes a VM; returns its id.
    pub(crate) async fn create_vm(&self, image: &str) -> Result<String> {
        let value = self
            .call(
                reqwest::Method::POST,
                "/v1/vms",
                Some(json!({ "image": image })),
            )
            .await?;
        let id = value["id"].as_str().context("a VM without an id")?;
        Ok(id.to_owned())
    }

    /// Removes a VM.
    pub(crate) async fn delete_vm(&self, vm: &str) -> Result<()> {
        self.call(reqwest::Method::DELETE, &format!("/v1/vms/{vm}"), None)
            .await?;
        Ok(())
    }

    /// Makes sure that the image's template is there; returns its description.
    pub(crate) async fn ensure_template(&self, image: &str) -> Result<Value> {
        self.call(
            reqwest::Method::POST,
            "/v1/templates",
            Some(json!({ "image": image })),
        )
        .await
    }

    /// Removes a template.
    pub(crate) async fn delete_template(&self, id: &str) -> Result<()> {
        self.call(
            reqwest::Method::DELETE,
            &format!("/v1/templates/{id}"),
            None,
        )
        .await?;
        Ok(())
    }

    /// Sets a pool's bounds.
    pub(crate) async fn set_pool(&self, image: &str, min: u32, max: u32) -> Result<()> {
        self.call(
            reqwest::Method::PUT,
            "/v1/pools",
            Some(json!({ "image": image, "min": min, "max": max })),
        )
        .await?;
        Ok(())
    }

    /// Waits until the template's pool satisfies `enough` and nothing is on its way.
    pub(crate) async fn wait_for_pool(
        &self,
        template: &str,
        enough: impl Fn(&Pool) -> bool,
    ) -> Result<Pool> {
        let mut pace = tokio::time::interval(POOL_POLL);
        let deadline = Instant::now() + CALL_TIMEOUT;
        while Instant::now() < deadline {
            pace.tick().await;
            let value = self.call(reqwest::Method::GET, "/v1/pools", None).await?;
            let pools: Vec<Pool> = serde_json::from_value(value["pools"].clone())?;
            if let Some(pool) = pools.into_iter().find(|pool| pool.template == template)
                && pool.starting == 0
                && enough(&pool)
            {
                return Ok(pool);
            }
        }
        bail!("the pool did not fill within {CALL_TIMEOUT:?}")
    }

    /// Sends a request; returns the answer whatever it is.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Body,
    ) -> Result<reqwest::Response> {
        let request = self.http.request(method, format!("{}{path}", self.server));
        let request = match body {
            Body::Empty => request,
            Body::Json(value) => request.json(&value),
            Body::Bytes(bytes) => request.body(bytes),
        };
        Ok(request.send().await?)
    }

    /// Sends JSON; returns the answer whatever it is.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<reqwest::Response> {
        let request = self.http.post(format!("{}{path}", self.server)).json(body);
        Ok(request.send().await?)
    }

    /// Gets a text.
    pub(crate) async fn text(&self, path: &str) -> Result<String> {
        let response = self
            .http
            .get(format!("{}{path}", self.server))
            .send()
            .await?;
        Ok(response.error_for_status()?.text().await?)
    }

    /// Sends a request of JSON that must be answered with JSON, or with nothing.
    pub(crate) async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("no answer from {}; is `thaw serve` running?", self.server))?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{path} answered {status}: {text}");
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{path} answered no JSON"))
    }
}
