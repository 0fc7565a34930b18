//! Functions: deploying, listing, aliases, logs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{check, limits};

/// How a function is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// `module.function(event, context)` in CPython.
    Python,
    /// `exports.function(event, context)` in node.
    Node,
    /// A program for each event: the event on standard input, the result on standard output.
    Command,
    /// A program that speaks AWS Lambda's Runtime API; by default what the image itself starts.
    Lambda,
    /// A server on a port, frozen once it listens; it takes requests under `/http/`.
    Http,
}

/// A function to deploy.
///
/// `python` and `node` want `handler`; `command` and `http` want `command`; `lambda` may have either, both or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployFunctionRequest {
    /// Its name: 1 to 64 of `a-z A-Z 0-9 - _`. One that is there gets another version.
    #[schema(example = "hello")]
    pub name: String,
    /// An image's name or digest.
    #[schema(example = "python")]
    pub image: String,
    /// How it is run.
    pub kind: FunctionKind,
    /// `module.function`. Of kind `lambda`: what the runtime is to run, as `_HANDLER`; it also takes the place of the
    /// image's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "app.handle")]
    pub handler: Option<String>,
    /// The program and its arguments; a relative one is looked for in the code. Of kind `lambda`: the image's entrypoint
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Where a server of kind `http` listens on the VM's loopback; told to it as `PORT`. Default 8080.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, default = 8080)]
    pub port: Option<u16>,
    /// Added to the image's environment; these win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The VM's CPUs: 1 to 32, default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 32, default = 1)]
    pub vcpus: Option<u8>,
    /// The VM's memory in MiB: 128 to 65536, default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 128, maximum = 65536, default = 256)]
    pub memory_mib: Option<u32>,
    /// How long one event may take, in milliseconds: 1 to 3600000, default 30000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600000, default = 30000)]
    pub timeout_ms: Option<u64>,
    /// How long the initialisation may take, in milliseconds: 1 to 3600000, default 60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600000, default = 60000)]
    pub init_timeout_ms: Option<u64>,
    /// Events that are served at once: 1 to 10000, default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000, default = 10)]
    pub concurrency: Option<u32>,
    /// Events that wait for a place: 0 to 10000, default 100; more are refused with 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 10000, default = 100)]
    pub queue: Option<u32>,
    /// Parked clones that are kept whatever the demand: default 1; 0 lets the function go cold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 10000, default = 1)]
    pub min_warm: Option<u32>,
    /// Parked clones at most: default 8. Their number follows the demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000, default = 8)]
    pub max_warm: Option<u32>,
    /// After so many milliseconds without an event only `min_warm` clones are kept. Default 300000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 86400000, default = 300000)]
    pub idle_ms: Option<u64>,
    /// How many events one clone may serve. Default 1: each event has a fresh VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, default = 1)]
    pub reuse: Option<u32>,
    /// Requests that a server of kind `http` is sent around the freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<FunctionHooks>,
    /// Ask for a network. There are none yet: its VMs are made without one, and `warnings` says so.
    #[serde(default)]
    pub network: bool,
    /// The code as standard base64, in a JSON body: a zip, tar or tar.gz. A JSON body has at most 16 MiB, so code
    /// of more than 12 MiB comes in a form as the part `code`, which may have 50 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_base64: Option<String>,
}

impl DeployFunctionRequest {
    /// What is needed and nothing else.
    pub fn new(name: impl Into<String>, image: impl Into<String>, kind: FunctionKind) -> Self {
        Self {
            name: name.into(),
            image: image.into(),
            kind,
            handler: None,
            command: None,
            port: None,
            env: BTreeMap::new(),
            vcpus: None,
            memory_mib: None,
            timeout_ms: None,
            init_timeout_ms: None,
            concurrency: None,
            queue: None,
            min_warm: None,
            max_warm: None,
            idle_ms: None,
            reuse: None,
            hooks: None,
            network: false,
            code_base64: None,
        }
    }

    /// Everything that is wrong with it, as far as that can be told without its code.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let image = Some(self.image.as_str());
        check::instance(image, None, self.vcpus, self.memory_mib, &mut problems);
        let wrong = match (self.kind, &self.handler, &self.command) {
            (FunctionKind::Python | FunctionKind::Node, Some(_), None)
            | (FunctionKind::Command | FunctionKind::Http, None, Some(_))
            | (FunctionKind::Lambda, _, _) => None,
            (FunctionKind::Python | FunctionKind::Node, _, _) => {
                Some("kinds python and node want handler (module.function), and no command")
            }
            (FunctionKind::Command | FunctionKind::Http, _, _) => {
                Some("kinds command and http want command, and no handler")
            }
        };
        problems.extend(wrong.map(str::to_owned));
        if self.port.is_some() && self.kind != FunctionKind::Http {
            problems.push("port belongs to kind http".to_owned());
        }
        if self.hooks.is_some() && self.kind != FunctionKind::Http {
            let others = "hooks belong to kind http; python and node have functions of these names";
            problems.push(others.to_owned());
        }
        if let Some(idle_ms) = self.idle_ms {
            check::range(
                "idle_ms",
                idle_ms,
                0,
                limits::MAX_POOL_IDLE_MS,
                &mut problems,
            );
        }
        problems
    }
}

/// Paths of a server that are sent a `POST` around the freeze, with the hook's name in the header `x-thaw-hook`, which
/// no other request has. An answer other than 2xx is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionHooks {
    /// Before the freeze, once the server listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_snapshot: Option<String>,
    /// In each clone, before its first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_restore: Option<String>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// Its newest version, which serves events that name no other.
    pub newest: FunctionVersion,
    /// How many versions it has.
    pub versions: u64,
    /// Its aliases.
    pub aliases: Vec<FunctionAlias>,
    /// When it was made, in milliseconds since 1970-01-01 UTC.
    pub created_at_ms: u64,
    /// Events that it serves now.
    pub running: u32,
    /// Events that wait.
    pub waiting: u32,
    /// The newest error since the daemon's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<FunctionLastError>,
}

/// The newest error of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunctionLastError {
    /// The invocation's id; its log, while it is kept, says more.
    pub request_id: String,
    /// In one line.
    pub message: String,
}

/// A version of a function. It never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionVersion {
    /// Its number.
    pub version: u64,
    /// How it is run.
    pub kind: FunctionKind,
    /// `module.function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// The program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Where a server listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What a server is sent around the freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<FunctionHooks>,
    /// The image as it was named.
    pub image: String,
    /// The digest of the image that the name led to; the version stays with it.
    #[serde(default)]
    pub image_digest: String,
    /// The names of the variables of its environment; their values are not told.
    pub env: Vec<String>,
    /// The VM's CPUs.
    pub vcpus: u8,
    /// The VM's memory.
    pub memory_mib: u32,
    /// How long one event may take.
    pub timeout_ms: u64,
    /// How long the initialisation may take.
    pub init_timeout_ms: u64,
    /// Events that are served at once.
    pub concurrency: u32,
    /// Events that wait for a place.
    pub queue: u32,
    /// Parked clones that are kept whatever the demand, while the version is the newest or an alias leads to it.
    pub min_warm: u32,
    /// Parked clones at most.
    pub max_warm: u32,
    /// When the pool shrinks.
    pub idle_ms: u64,
    /// How many events one clone may serve.
    pub reuse: u32,
    /// SHA-256 of its code, made into one tar.
    pub code_sha256: String,
    /// The size of that tar.
    pub code_bytes: u64,
    /// Its template's id.
    pub template: String,
    /// When it was deployed, in milliseconds since 1970-01-01 UTC.
    pub created_at_ms: u64,
    /// What was asked for and is not there.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionAlias {
    /// Its name.
    pub name: String,
    /// Versions and their weights.
    pub versions: BTreeMap<String, f64>,
    /// Where it led before its last change, which a rollback leads back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<BTreeMap<String, f64>>,
}

/// Where an alias is to lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutAliasRequest {
    /// Versions and their weights, relative to each other: `{"3": 9, "4": 1}` gives version 4 a tenth.
    pub versions: BTreeMap<String, f64>,
}

/// Functions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionList {
    /// By name.
    pub functions: Vec<FunctionInfo>,
}

/// Versions of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionVersionList {
    /// Oldest first.
    pub versions: Vec<FunctionVersion>,
}

/// The log of one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunctionLog {
    /// Its number among the function's invocations since the daemon's start.
    pub sequence: u64,
    /// The invocation's id.
    pub request_id: String,
    /// The version that served it.
    pub version: u64,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub ended_at_ms: u64,
    /// How long the function worked.
    pub duration_us: u64,
    /// What went wrong, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it wrote to standard output and error.
    pub text: String,
    /// More was written than is kept: 64 KiB of each stream.
    pub truncated: bool,
}

/// Logs of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunctionLogList {
    /// Oldest first.
    pub logs: Vec<FunctionLog>,
}

/// Which logs are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FunctionLogQuery {
    /// Only what follows this sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only that of this invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Only those of invocations that went wrong.
    #[serde(default)]
    pub errors: bool,
    /// The newest so many; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// How an event is to be served.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InvokeQuery {
    /// A version's number or an alias; the newest version when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<String>,
    /// `async` queues the event durably and answers 202 with its id; it is tried up to three times.
    #[serde(default)]
    pub mode: InvokeMode,
}

/// When an event is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvokeMode {
    /// Now; the answer is what the function returns.
    #[default]
    Sync,
    /// Later; the answer is the event's id.
    Async,
    /// Now; the answer is what the function returns, piece by piece as it comes.
    Stream,
}

/// An event that was queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueuedFunctionEvent {
    /// Its id.
    pub id: String,
}

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunctionEventState {
    /// It is to be served, or is being served.
    Queued,
    /// The function returned.
    Done,
    /// It was given up.
    Dead,
}

/// An event that is served later, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunctionEvent {
    /// Its id, which is that of its invocations.
    pub id: String,
    /// A version's number or an alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<String>,
    /// Where it is.
    pub state: FunctionEventState,
    /// Attempts that went wrong.
    pub attempts: u32,
    /// When it is to be tried, in milliseconds since 1970-01-01 UTC.
    pub due_at_ms: u64,
    /// When it came.
    pub created_at_ms: u64,
    /// When it was done, or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<u64>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The size of the event.
    pub event_bytes: u64,
    /// The event; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_base64: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What the function returned, at most 64 KiB; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_base64: Option<String>,
    /// The result's media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_type: Option<String>,
}

/// Events of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunctionEventList {
    /// Newest first.
    pub events: Vec<FunctionEvent>,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FunctionEventQuery {
    /// Only those of this state; default `dead`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<FunctionEventState>,
    /// The newest so many, 1 to 1000; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The headers of an invocation's answer.
pub mod invoke_headers {
    /// The invocation's id. A request may bring one: 1 to 64 of `a-z A-Z 0-9 - _`.
    pub const REQUEST_ID: &str = "x-thaw-request-id";
    /// The version that served the event.
    pub const VERSION: &str = "x-thaw-version";
    /// How its clone came to be: `parked`, `restored`, `cold` or `reused`.
    pub const START: &str = "x-thaw-start";
    /// The VM that it ran in.
    pub const VM_ID: &str = "x-thaw-vm-id";
    /// Where the time went, in microseconds: `daemon=…, queue=…, restore=…, resume=…, connect=…, exec=…, total=…`.
    pub const TIMINGS: &str = "x-thaw-timings-us";
    /// Present when the function went wrong: `raised`, `restore_failed`, `timed_out`, `ended` or `result_too_large`. The body
    /// describes it as JSON then: `errorType`, `errorMessage`, and `stackTrace` where there is one.
    pub const FUNCTION_ERROR: &str = "x-thaw-function-error";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_wants_its_own_fields() {
        let mut request = DeployFunctionRequest::new("f", "python", FunctionKind::Python);
        assert_eq!(request.problems().len(), 1);
        request.handler = Some("app.handle".into());
        assert_eq!(request.problems(), Vec::<String>::new());
        request.kind = FunctionKind::Http;
        assert_eq!(request.problems().len(), 1);
        request.handler = None;
        request.command = Some(vec!["./server".into()]);
        request.port = Some(80);
        assert_eq!(request.problems(), Vec::<String>::new());
        request.hooks = Some(FunctionHooks::default());
        assert_eq!(request.problems(), Vec::<String>::new());
        request.kind = FunctionKind::Command;
        assert_eq!(request.problems().len(), 2);
        let request = DeployFunctionRequest::new("f", "image", FunctionKind::Lambda);
        assert_eq!(request.problems(), Vec::<String>::new());
    }
}
