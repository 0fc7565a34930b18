//! Functions: an event to a fresh clone and to one that is used again, a heavy import, from zero warm, and more
//! events than can be served.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::{
    client::Client,
    host::CpuTime,
    plan::machine,
    report::{Report, Row, progress},
    stats::Samples,
};

/// A handler that returns its event.
const EMPTY: &str = "def handle(event, context): return event\n";
/// The same behind a heavy part of the standard library.
const HEAVY: &str = "import json, http.client, sqlite3, asyncio, xml.dom.minidom, xml.etree.ElementTree, xml.sax\n\
    def handle(event, context): return event\n";

/// Offered for as long as a flood lasts.
const PER_SECOND: u32 = 200;
/// Calls that are under way at once at most; more than the function takes, so that it has to refuse.
const UNDER_WAY: usize = 4096;
/// From here on the CPUs are what there is too little of.
const SATURATED_PERCENT: f64 = 90.0;
/// Callers at once of the check whether answers belong to their events.
const CALLERS: u32 = 4;

/// What to measure of functions.
#[derive(Debug, Args)]
pub(crate) struct Functions {
    /// How long more events are offered than can be served, in seconds.
    #[arg(long, default_value_t = 60)]
    flood: u64,
    /// Events whose answers are compared with them, each in a fresh clone.
    #[arg(long, default_value_t = 300)]
    fresh: u32,
    /// Those in clones that are used again.
    #[arg(long, default_value_t = 4700)]
    reused: u32,
}

impl Functions {
    /// Measures every figure of functions.
    pub(crate) async fn run(&self, client: &Client, image: String, samples: u32) -> Result<Report> {
        let template = client.ensure_template(&image).await?;
        let engine = template["engine"].as_str().unwrap_or_default();
        let mut report = Report {
            machine: machine(engine.to_owned()),
            ..Report::default()
        };
        let bench = Bench { client, image };
        bench.latencies(samples, &mut report).await?;
        bench.zero_warm(samples, &mut report).await?;
        let flood = Duration::from_secs(self.flood);
        bench.flood("bench-flood", 100, flood, &mut report).await?;
        bench
            .flood("bench-fresh-flood", 1, flood, &mut report)
            .await?;
        bench.check(self.fresh, 1, &mut report).await?;
        bench.check(self.reused, 100, &mut report).await?;
        Ok(report)
    }
}

struct Bench<'a> {
    client: &'a Client,
    image: String,
}

/// What came of one call.
struct Called {
    wall: Duration,
    status: StatusCode,
    start: String,
    body: Vec<u8>,
}

impl Bench<'_> {
    async fn latencies(&self, samples: u32, report: &mut Report) -> Result<()> {
        let functions = [
            ("bench-empty", EMPTY, 1, "function, fresh parked clone"),
            (
                "bench-heavy",
                HEAVY,
                1,
                "function, fresh parked clone, heavy imports",
            ),
            ("bench-reused", EMPTY, 1_000_000, "function, reused clone"),
        ];
        let mut medians = Vec::new();
        for (name, code, reuse, what) in functions {
            progress(what);
            let template = self.deploy(name, code, json!({"reuse": reuse})).await?;
            let measured = self.latency(samples, name, &template, reuse > 1).await?;
            medians.push(measured.latency().p50_us);
            report.rows.push(row(what, &measured));
            self.remove(name).await?;
        }
        let ratio = medians[1] as f64 / medians[0].max(1) as f64;
        report.figure("heavy imports against none, fresh parked clone", ratio, "x");
        Ok(())
    }

    /// Deploys a function; returns its template's id.
    async fn deploy(&self, name: &str, code: &str, more: Value) -> Result<String> {
        let mut request = json!({
            "name": name, "image": self.image, "kind": "python", "handler": "app.handle",
            "code_base64": STANDARD.encode(tarred(code)?),
        });
        if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
            request.extend(more.clone());
        }
        let function = self
            .client
            .call(Method::POST, "/v1/functions", Some(request))
            .await?;
        let template = function["newest"]["template"].as_str();
        Ok(template
            .context("a function without a template")?
            .to_owned())
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let path = format!("/v1/functions/{name}");
        self.client.call(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// Each call when the pool is full, or one after the other to a clone that is used again.
    async fn latency(
        &self,
        count: u32,
        name: &str,
        template: &str,
        reused: bool,
    ) -> Result<Samples> {
        let mut samples = Samples::new()?;
        let expected = if reused { "reused" } else { "parked" };
        for n in 0..=count {
            if !reused {
                let is_full = |pool: &crate::client::Pool| pool.parked > 0 && pool.leased == 0;
                self.client.wait_for_pool(template, is_full).await?;
            }
            let called = call(self.client, name, n).await?;
            ensure!(
                called.status.is_success(),
                "{} instead of an answer",
                called.status
            );
            // The first one only warms up.
            if n > 0 {
                ensure!(
                    called.start == expected,
                    "{} instead of {expected}",
                    called.start
                );
                samples.add(called.wall);
            }
        }
        Ok(samples)
    }

    async fn zero_warm(&self, count: u32, report: &mut Report) -> Result<()> {
        let what = "function, from zero warm";
        progress(what);
        let bounds = json!({"min_warm": 0, "max_warm": 1, "idle_ms": 0});
        let template = self.deploy("bench-zero", EMPTY, bounds).await?;
        let mut samples = Samples::new()?;
        for n in 0..count {
            let is_empty = |pool: &crate::client::Pool| {
                pool.parked == 0 && pool.shells == 0 && pool.leased == 0
            };
            self.client.wait_for_pool(&template, is_empty).await?;
            let called = call(self.client, "bench-zero", n).await?;
            ensure!(
                called.start == "restored",
                "{} instead of restored",
                called.start
            );
            samples.add(called.wall);
        }
        report.rows.push(row(what, &samples));
        self.remove("bench-zero").await
    }

    /// Offers a fixed rate, whatever is answered.
    async fn flood(
        &self,
        name: &str,
        reuse: u32,
        lasts: Duration,
        report: &mut Report,
    ) -> Result<()> {
        let what = format!("{PER_SECOND} events a second, reuse {reuse}");
        progress(&what);
        let bounds = json!({"reuse": reuse, "concurrency": 4, "queue": 16});
        let template = self.deploy(name, EMPTY, bounds).await?;
        // The template's own memory, which all its clones share, is there before the flood.
        let is_warm = |pool: &crate::client::Pool| pool.parked > 0;
        self.client.wait_for_pool(&template, is_warm).await?;
        call(self.client, name, 0).await?;
        self.client.wait_for_pool(&template, is_warm).await?;
        let before = self.daemon_bytes().await?;
        let cpu = CpuTime::now()?;
        let mut pace = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut calls, mut tally) = (JoinSet::new(), Tally::new()?);
        let begin = Instant::now();
        let mut offered = 0;
        while begin.elapsed() < lasts {
            pace.tick().await;
            while let Some(done) = calls.try_join_next() {
                tally.add(done);
            }
            // A daemon that answers nobody would be offered less; it says so by its figures.
            while calls.len() >= UNDER_WAY
                && let Some(done) = calls.join_next().await
            {
                tally.add(done);
            }
            let (client, name) = (self.client.clone(), name.to_owned());
            calls.spawn(async move { call(&client, &name, offered).await });
            offered += 1;
        }
        while let Some(done) = calls.join_next().await {
            tally.add(done);
        }
        let took = begin.elapsed().as_secs_f64();
        let busy = CpuTime::now()?.busy_percent_since(cpu);
        let after = self.daemon_bytes().await?;
        ensure!(tally.failed == 0, "{} calls failed", tally.failed);
        let per_second = |count: u64| count as f64 / took;
        report.figure(
            format!("{what}: offered"),
            per_second(u64::from(offered)),
            "/s",
        );
        report.figure(
            format!("{what}: answered"),
            per_second(tally.answered.latency().samples),
            "/s",
        );
        report.figure(
            format!("{what}: refused"),
            per_second(tally.refused.latency().samples),
            "/s",
        );
        report.figure(
            format!("{what}: fresh clones taken"),
            per_second(tally.fresh),
            "/s",
        );
        report.figure(format!("{what}: host CPUs busy"), busy, "%");
        if tally.refused.latency().samples > 0 {
            let clones = per_second(tally.fresh);
            report.notes.push(bound(&what, clones, busy));
        }
        let grown = (after as f64 - before as f64) / f64::from(1 << 20);
        report.figure(
            format!("{what}: growth of the daemon's memory"),
            grown,
            "MiB",
        );
        report
            .rows
            .push(row(&format!("{what}: answered"), &tally.answered));
        if tally.refused.latency().samples > 0 {
            report
                .rows
                .push(row(&format!("{what}: refused"), &tally.refused));
        }
        self.remove(name).await
    }

    /// Whether each answer belongs to its event.
    async fn check(&self, count: u32, reuse: u32, report: &mut Report) -> Result<()> {
        let what = format!("answers that belong to their events, of {count}, reuse {reuse}");
        progress(&what);
        let bounds = json!({"reuse": reuse, "concurrency": CALLERS});
        self.deploy("bench-check", EMPTY, bounds).await?;
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let client = self.client.clone();
            callers.spawn(async move {
                let mut good = 0_u32;
                for n in (caller..count).step_by(CALLERS as usize) {
                    let called = call(&client, "bench-check", n).await?;
                    let answer: Value = serde_json::from_slice(&called.body)?;
                    good += u32::from(answer == event(n));
                }
                anyhow::Ok(good)
            });
        }
        let mut good = 0;
        while let Some(done) = callers.join_next().await {
            good += done??;
        }
        report.figure(what, f64::from(good), "");
        ensure!(
            good == count,
            "{} answers belong to other events",
            count - good
        );
        self.remove("bench-check").await
    }

    /// What the daemon itself takes, from its own metrics.
    async fn daemon_bytes(&self) -> Result<u64> {
        let text = self.client.text("/metrics").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        let bytes = line.context("the metrics do not tell the daemon's memory")?;
        Ok(bytes.trim().parse::<f64>()? as u64)
    }
}

/// The flood's answers and refusals.
struct Tally {
    answered: Samples,
    refused: Samples,
    /// Answers of clones that nobody had used before.
    fresh: u64,
    failed: u64,
}

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self {
            answered: Samples::new()?,
            refused: Samples::new()?,
            fresh: 0,
            failed: 0,
        })
    }

    fn add(&mut self, done: Result<Result<Called>, tokio::task::JoinError>) {
        match done {
            Ok(Ok(called)) if called.status.is_success() => {
                self.fresh += u64::from(called.start != "reused");
                self.answered.add(called.wall);
            }
            Ok(Ok(called)) if called.status == StatusCode::TOO_MANY_REQUESTS => {
                self.refused.add(called.wall);
            }
            _ => self.failed += 1,
        }
    }
}

/// What bounds the rate of a flood that was refused in part.
fn bound(what: &str, clones: f64, busy: f64) -> String {
    let bound = if busy >= SATURATED_PERCENT {
        "the CPUs, which restore and prove clones and run the events"
    } else {
        "something else than the CPUs"
    };
    format!(
        "{what}: the pool supplied {clones:.1} fresh clones a second while the host's CPUs were {busy:.0} % busy; what \
         bounds the rate of answers is {bound}."
    )
}

async fn call(client: &Client, name: &str, n: u32) -> Result<Called> {
    let path = format!("/v1/functions/{name}/invoke");
    let begin = Instant::now();
    let response = client.post(&path, &event(n)).await?;
    let status = response.status();
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
    if let Some(error) = header("x-thaw-function-error") {
        bail!("the function went wrong: {error}");
    }
    let start = header("x-thaw-start").unwrap_or_default().to_owned();
    let body = response.bytes().await?.to_vec();
    Ok(Called {
        wall: begin.elapsed(),
        status,
        start,
        body,
    })
}

/// The code as an archive.
fn tarred(code: &str) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(code.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "app.py", code.as_bytes())?;
    Ok(archive.into_inner()?)
}

fn event(n: u32) -> Value {
    json!({"n": n, "text": format!("event {n}"), "square": u64::from(n) * u64::from(n)})
}

fn row(what: &str, samples: &Samples) -> Row {
    Row {
        what: what.to_owned(),
        wall: samples.latency(),
        stages: Vec::new(),
    }
}
