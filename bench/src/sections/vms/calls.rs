//! Calls of every kind from many clients at once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    machine,
    run::{Bench, row},
};
use crate::{
    client::{Body, Client},
    report::{Report, progress},
    stats::Samples,
};

const CALLS: u32 = 2000;
const CLIENTS: u32 = 16;

/// Fewer than clients, so that one pauses what another uses.
const VMS: u32 = 8;

/// What a client does in turn; each begins elsewhere.
const ROUND: [Kind; 16] = [
    Kind::List,
    Kind::Inspect,
    Kind::Exec,
    Kind::Write,
    Kind::Read,
    Kind::Create,
    Kind::Patch,
    Kind::Exec,
    Kind::Events,
    Kind::Pause,
    Kind::Resume,
    Kind::Read,
    Kind::Delete,
    Kind::Usage,
    Kind::Write,
    Kind::Inspect,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    List,
    Inspect,
    Exec,
    Write,
    Read,
    Patch,
    Pause,
    Resume,
    Usage,
    Events,
    Create,
    Delete,
}

/// One call, and how it was answered, or why it was not.
#[derive(Debug)]
struct Called {
    kind: Kind,
    wall: Duration,
    answered: Result<StatusCode>,
    /// Whether it was sent twice, because the server had closed the connection.
    again: bool,
}

/// All clients at once, each with its share of the calls.
pub(super) async fn measure(bench: Bench<'_>, report: &mut Report) -> Result<()> {
    progress("mixed calls");
    let mut vms = Vec::new();
    for _ in 0..VMS {
        vms.push(machine::create(bench.client, bench.image).await?);
    }
    let mut callers = JoinSet::new();
    let begin = Instant::now();
    for number in 0..CLIENTS {
        let caller = Caller {
            client: bench.client.another()?,
            image: bench.image.to_owned(),
            vm: vms[(number % VMS) as usize].clone(),
            path: format!("/root/bench-{number}"),
            own: None,
        };
        callers.spawn(Box::pin(caller.run(number)));
    }
    let mut calls = Vec::new();
    while let Some(called) = callers.join_next().await {
        calls.extend(called??);
    }
    let took = begin.elapsed();
    machine::delete_all(bench.client).await?;
    tell(&calls, took, report)
}

struct Caller {
    client: Client,
    image: String,
    /// Shared with other clients.
    vm: String,
    /// A file of its own in it.
    path: String,
    /// A VM that it has created and not yet deleted.
    own: Option<String>,
}

impl Caller {
    async fn run(mut self, number: u32) -> Result<Vec<Called>> {
        let round = ROUND.iter().cycle().skip(number as usize);
        let mut calls = Vec::new();
        for kind in round.take((CALLS / CLIENTS) as usize) {
            calls.push(self.call(*kind).await);
        }
        Ok(calls)
    }

    async fn call(&mut self, kind: Kind) -> Called {
        let (method, path, body) = self.request(kind);
        let begin = Instant::now();
        let first = self.answer(kind, method.clone(), &path, body.clone());
        let mut answered = first.await;
        // As HTTP clients do: a connection may be closed as it is used again, and what changes nothing a second
        // time may then be sent once more (RFC 9110, section 9.2.2).
        let again = answered.is_err() && method.is_idempotent();
        if again {
            answered = self.answer(kind, method, &path, body).await;
        }
        if kind == Kind::Delete {
            self.own = None;
        }
        Called {
            kind,
            wall: begin.elapsed(),
            answered,
            again,
        }
    }

    async fn answer(
        &mut self,
        kind: Kind,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<StatusCode> {
        let answer = self.client.send(method, path, body).await?;
        let status = answer.status();
        // The events' stream does not end; that it began is enough.
        if kind == Kind::Events {
            return Ok(status);
        }
        let said = answer.bytes().await?;
        if kind == Kind::Create && status.is_success() {
            let made: Value = serde_json::from_slice(&said)?;
            let id = made["id"].as_str().context("a VM without an id")?;
            self.own = Some(id.to_owned());
        }
        Ok(status)
    }

    fn request(&self, kind: Kind) -> (Method, String, Body) {
        let vm = format!("/v1/vms/{}", self.vm);
        let content = format!("{vm}/files/content?path={}", self.path);
        let empty = Body::Empty;
        match kind {
            Kind::List => (Method::GET, "/v1/vms?limit=50".to_owned(), empty),
            Kind::Inspect => (Method::GET, vm, empty),
            Kind::Exec => {
                let echo = Body::Json(json!({ "argv": ["echo", self.path] }));
                (Method::POST, format!("{vm}/exec"), echo)
            }
            Kind::Write => (Method::PUT, content, Body::Bytes(vec![b'w'; 1 << 16])),
            Kind::Read => {
                let path = format!("{vm}/files/content?path=/etc/passwd");
                (Method::GET, path, empty)
            }
            Kind::Patch => {
                let merge = Body::Json(json!({ "metadata_merge": { "path": self.path } }));
                (Method::PATCH, vm, merge)
            }
            Kind::Pause => (Method::POST, format!("{vm}/pause"), empty),
            Kind::Resume => (Method::POST, format!("{vm}/resume"), empty),
            Kind::Usage => (Method::GET, format!("{vm}/usage"), empty),
            Kind::Events => (Method::GET, "/v1/events".to_owned(), empty),
            Kind::Create => {
                let wanted = Body::Json(machine::request(&self.image));
                (Method::POST, "/v1/vms".to_owned(), wanted)
            }
            Kind::Delete => match &self.own {
                Some(own) => (Method::DELETE, format!("/v1/vms/{own}"), empty),
                // A client that begins behind its create has nothing to delete; it looks instead.
                None => (Method::GET, vm, empty),
            },
        }
    }
}

fn tell(calls: &[Called], took: Duration, report: &mut Report) -> Result<()> {
    let what = format!("{CALLS} mixed calls from {CLIENTS} clients");
    let (mut all, mut kinds) = (Samples::new()?, BTreeMap::new());
    for called in calls {
        all.add(called.wall);
        if let std::collections::btree_map::Entry::Vacant(entry) = kinds.entry(called.kind) {
            entry.insert(Samples::new()?);
        }
        if let Some(samples) = kinds.get_mut(&called.kind) {
            samples.add(called.wall);
        }
    }
    let names: Vec<_> = kinds
        .iter()
        .map(|(kind, samples)| (format!("{kind:?}").to_lowercase(), samples))
        .collect();
    let stages: Vec<_> = names
        .iter()
        .map(|(name, samples)| (&**name, *samples))
        .collect();
    report.rows.push(row(&what, &all, &stages));
    let count = |class: fn(StatusCode) -> bool| {
        let statuses = calls
            .iter()
            .filter_map(|called| called.answered.as_ref().ok());
        statuses.filter(|status| class(**status)).count()
    };
    let unanswered = calls.iter().filter(|called| called.answered.is_err());
    let again = calls.iter().filter(|called| called.again);
    let figures = [
        ("2xx", count(|status| status.is_success())),
        ("4xx", count(|status| status.is_client_error())),
        ("5xx", count(|status| status.is_server_error())),
        ("without an answer", unanswered.count()),
        ("sent again, their connection closed", again.count()),
    ];
    for (class, count) in figures {
        report.figure(format!("{what}: {class}"), count as f64, "");
    }
    let rate = calls.len() as f64 / took.as_secs_f64();
    report.figure(what.clone(), rate, "per second");
    let made = calls.len();
    report.must(made == CALLS as usize, format!("{what}: {made} were made"));
    let wrong: Vec<_> = calls.iter().filter_map(wrong).collect();
    let (some, count) = (wrong.first().map_or("", String::as_str), wrong.len());
    report.must(
        wrong.is_empty(),
        format!("{what}: {count} went wrong, such as {some}"),
    );
    Ok(())
}

/// A VM that another client has paused refuses; nothing else may go wrong with these calls.
fn wrong(called: &Called) -> Option<String> {
    match &called.answered {
        Ok(status) if status.is_success() || *status == StatusCode::CONFLICT => None,
        Ok(status) => Some(format!("{:?}: {status}", called.kind)),
        Err(error) => Some(format!("{:?}: {error:#}", called.kind)),
    }
}
