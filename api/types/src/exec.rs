//! Running a program: the request in its two forms, and the answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{check, limits};

/// How output is written into JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As text; bytes that are not UTF-8 become U+FFFD.
    #[default]
    Utf8,
    /// As standard base64, byte for byte.
    Base64,
}

/// A language whose interpreter waits inside a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// CPython 3.
    Python,
}

/// What a VM can reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing but its own loopback.
    #[default]
    None,
}

/// How a VM came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartKind {
    /// It was restored and proven before.
    Parked,
    /// It was restored for this request.
    Restored,
    /// Its template was baked for this request.
    Cold,
    /// It has served the same owner before.
    Reused,
}

/// A program to run in a fresh VM.
///
/// Give `image` or `template`, and at most one of `argv`, `command` and `language` with `code`; without any
/// the image's ENTRYPOINT and CMD run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecRequest {
    /// An image's name or digest; a bare name is first Thaw's own image, then the Docker daemon's, then the registry's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "python")]
    pub image: Option<String>,
    /// A template's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The VM's CPUs: 1 to 32, default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 32, default = 1)]
    pub vcpus: Option<u8>,
    /// The VM's memory in MiB: 128 to 65536, default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 128, maximum = 65536, default = 256)]
    pub memory_mib: Option<u32>,
    /// What the VM can reach; only `none` so far.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: Network,
    /// How long to wait for a VM, in milliseconds: 1 to 3600000, default 60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600000, default = 60000)]
    pub start_timeout_ms: Option<u64>,
    /// A program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["python3", "-c", "print(6*7)"]))]
    pub argv: Option<Vec<String>>,
    /// A command line for `/bin/sh -c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The language of `code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Source code for the interpreter that waits inside the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// With `argv`: put the image's ENTRYPOINT in front of it, as `docker run` does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_entrypoint: bool,
    /// Standard input as text; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Standard input as standard base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_base64: Option<String>,
    /// Added to the image's environment; these win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The working directory; the image's when absent, else `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// `name`, `uid`, `name:group` or `uid:gid`; the image's when absent, else root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// After this many milliseconds everything the program started is killed: 1 to 3600000, default 30000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600000, default = 30000)]
    pub timeout_ms: Option<u64>,
    /// How output is written into the answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub encoding: Encoding,
    /// How many bytes of each output stream are kept; the rest is thrown away and `stdout_truncated` or
    /// `stderr_truncated` says so. Default 10 MiB, at most 1 GiB as events and 64 MiB as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1073741824, default = 10485760)]
    pub output_limit_bytes: Option<u64>,
}

/// A program to run in a VM that is there: an [`ExecRequest`] without the fields that choose a VM.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VmExecRequest {
    /// A program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// A command line for `/bin/sh -c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The language of `code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Source code for the interpreter that waits inside the VM; each run gets a fork of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// With `argv`: put the image's ENTRYPOINT in front of it, as `docker run` does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_entrypoint: bool,
    /// Standard input as text; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Standard input as standard base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_base64: Option<String>,
    /// Added to the image's environment; these win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The working directory; the image's when absent, else `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// `name`, `uid`, `name:group` or `uid:gid`; the image's when absent, else root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// After this many milliseconds everything the program started is killed: 1 to 3600000, default 30000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600000, default = 30000)]
    pub timeout_ms: Option<u64>,
    /// How output is written into the answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub encoding: Encoding,
    /// How many bytes of each output stream are kept; default 10 MiB, at most 1 GiB as events and 64 MiB as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1073741824, default = 10485760)]
    pub output_limit_bytes: Option<u64>,
}

/// Which VM an [`ExecRequest`] wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceChoice {
    /// An image's name or digest.
    pub image: Option<String>,
    /// A template's id.
    pub template: Option<String>,
    /// The VM's CPUs.
    pub vcpus: u8,
    /// The VM's memory in MiB.
    pub memory_mib: u32,
    /// How long to wait for a VM, in milliseconds.
    pub start_timeout_ms: u64,
}

impl ExecRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::instance(
            self.image.as_deref(),
            self.template.as_deref(),
            self.vcpus,
            self.memory_mib,
            &mut problems,
        );
        if let Some(start_timeout_ms) = self.start_timeout_ms {
            let most = limits::MAX_START_TIMEOUT_MS;
            check::range("start_timeout_ms", start_timeout_ms, 1, most, &mut problems);
        }
        problems
    }

    /// Takes it apart into which VM and what to run there.
    pub fn split(self) -> (InstanceChoice, VmExecRequest) {
        let choice = InstanceChoice {
            image: self.image,
            template: self.template,
            vcpus: self.vcpus.unwrap_or(limits::DEFAULT_VCPUS),
            memory_mib: self.memory_mib.unwrap_or(limits::DEFAULT_MEMORY_MIB),
            start_timeout_ms: self
                .start_timeout_ms
                .unwrap_or(limits::DEFAULT_START_TIMEOUT_MS),
        };
        let exec = VmExecRequest {
            argv: self.argv,
            command: self.command,
            language: self.language,
            code: self.code,
            use_entrypoint: self.use_entrypoint,
            stdin: self.stdin,
            stdin_base64: self.stdin_base64,
            env: self.env,
            cwd: self.cwd,
            user: self.user,
            timeout_ms: self.timeout_ms,
            encoding: self.encoding,
            output_limit_bytes: self.output_limit_bytes,
        };
        (choice, exec)
    }
}

impl VmExecRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_form(&mut problems);
        self.check_text(&mut problems);
        if self.stdin.is_some() && self.stdin_base64.is_some() {
            problems.push("give stdin or stdin_base64, not both".to_owned());
        }
        if let Some(timeout_ms) = self.timeout_ms {
            let most = limits::MAX_TIMEOUT_MS;
            check::range("timeout_ms", timeout_ms, 1, most, &mut problems);
        }
        if let Some(limit) = self.output_limit_bytes {
            let most = limits::MAX_OUTPUT_LIMIT_BYTES;
            check::range("output_limit_bytes", limit, 0, most, &mut problems);
        }
        if self.program_bytes() > limits::MAX_PROGRAM_BYTES {
            problems.push(format!(
                "the program with its environment takes more than {} KiB; send large data as stdin",
                limits::MAX_PROGRAM_BYTES >> 10
            ));
        }
        problems
    }

    fn check_form(&self, problems: &mut Vec<String>) {
        let code = self.language.is_some() || self.code.is_some();
        let forms = [self.argv.is_some(), self.command.is_some(), code];
        if forms.into_iter().filter(|given| *given).count() > 1 {
            problems.push("give at most one of argv, command, and language with code".to_owned());
        }
        if self.language.is_some() != self.code.is_some() {
            problems.push("language and code belong together".to_owned());
        }
        if let Some(argv) = &self.argv
            && argv.first().is_none_or(String::is_empty)
        {
            problems.push("argv names no program".to_owned());
        }
        if self.use_entrypoint && self.argv.is_none() {
            problems.push("use_entrypoint needs argv".to_owned());
        }
        if code && self.user.is_some() {
            problems.push("user can't be chosen for code: the interpreter runs already".to_owned());
        }
    }

    fn check_text(&self, problems: &mut Vec<String>) {
        for argument in self.argv.iter().flatten() {
            check::no_nul("argv", argument, problems);
        }
        let fields = [
            ("command", &self.command),
            ("cwd", &self.cwd),
            ("user", &self.user),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                check::no_nul(field, value, problems);
            }
        }
        if let Some(cwd) = &self.cwd
            && !cwd.starts_with('/')
        {
            problems.push("cwd is not an absolute path".to_owned());
        }
        check::environment(&self.env, problems);
    }

    /// What it takes as JSON on its way to the guest, without standard input.
    fn program_bytes(&self) -> usize {
        let program = (
            &self.argv,
            &self.command,
            &self.code,
            &self.env,
            &self.cwd,
            &self.user,
        );
        serde_json::to_vec(&program).map_or(usize::MAX, |json| json.len())
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecExit {
    /// The program's exit code, 0 to 255; null when a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended the program; null when it ended by itself.
    pub signal: Option<i32>,
    /// It was killed because `timeout_ms` was up.
    pub timed_out: bool,
    /// More standard output came than `output_limit_bytes`.
    pub stdout_truncated: bool,
    /// More standard error came than `output_limit_bytes`.
    pub stderr_truncated: bool,
    /// The VM that it ran in.
    pub vm_id: String,
    /// How that VM came to be.
    pub start: StartKind,
    /// Where the time went.
    pub timings_us: TimingsUs,
    /// What the guest says of its part.
    pub guest_us: GuestUs,
}

/// How a program ended, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecResponse {
    /// How it ended.
    #[serde(flatten)]
    pub exit: ExecExit,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How `stdout` and `stderr` are written.
    pub encoding: Encoding,
}

/// Where the time of a request went, in microseconds. The stages add up to `total`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimingsUs {
    /// The daemon's own part: what is left of `total`.
    pub daemon: u64,
    /// Waiting for a place or a clone.
    pub queue: u64,
    /// Restoring a clone, or baking its template, for this request.
    pub restore: u64,
    /// Letting the clone's CPUs run.
    pub resume: u64,
    /// Handing the request to the guest.
    pub connect: u64,
    /// The program's run as the host sees it.
    pub exec: u64,
    /// From the request's arrival to its answer.
    pub total: u64,
}

/// What a guest says of its part of an exec, in microseconds of its own clock. They are parts of the stage
/// `exec`, but for what passes between the host and the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuestUs {
    /// Putting a fresh VM right: random generators, clock, names. 0 in one that is awake.
    pub wake: u64,
    /// Starting the program.
    pub spawn: u64,
    /// From its start to the end of its output.
    pub run: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
