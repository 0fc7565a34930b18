//! What a version of a function is.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use thaw_pool_manager::vmm::{Shape, protocol::FunctionKind};

use super::FunctionName;

/// A function to deploy.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// Its name; one that is there gets another version.
    pub name: FunctionName,
    /// How it runs.
    pub spec: VersionSpec,
    /// Its code: a zip, tar or tar.gz. None: the code is in the image, for kind `lambda`.
    pub code: Option<bytes::Bytes>,
}

/// How a version runs. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSpec {
    /// The image's name or digest.
    pub image: String,
    /// The machine's size.
    pub shape: Shape,
    /// How it is run.
    #[serde(flatten)]
    pub kind: FunctionKind,
    /// Added to the image's environment; a later entry wins.
    pub env: Vec<(String, String)>,
    /// How long its initialisation may take.
    pub init_timeout: Duration,
    /// How long one event may take.
    pub timeout: Duration,
    /// Events that it serves at once.
    pub concurrency: u32,
    /// Events that wait for a place; more are refused.
    pub queue: u32,
    /// Parked clones that are kept whatever the demand.
    pub min_warm: u32,
    /// Parked clones at most.
    pub max_warm: u32,
    /// After this long without an event its pool shrinks to `min_warm`.
    pub idle: Duration,
    /// How many events one clone may serve; 1: each has a fresh one.
    pub reuse: u32,
    /// A network is wanted. There are none yet, so its VMs have none.
    #[serde(default)]
    pub network_wanted: bool,
}

/// The most events that one function may serve at once, or have waiting.
const MAX_EVENTS: u32 = 10_000;
/// The longest that an event or an initialisation may take.
const MAX_TIME: Duration = Duration::from_secs(3600);
/// The longest path of a hook, in bytes.
const MAX_HOOK_BYTES: usize = 1024;
/// The largest environment, in bytes (AWS Lambda allows 4 KiB; a first frame to the guest 1 MiB).
const MAX_ENV_BYTES: usize = 128 * 1024;

impl Deploy {
    /// Everything that is wrong with it, as far as that can be told without reading its code.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.spec.problems();
        let is_lambda = matches!(self.spec.kind, FunctionKind::Lambda { .. });
        if self.code.is_none() && !is_lambda {
            problems.push("the code is missing; only kind lambda may have it in its image".into());
        }
        problems
    }
}

impl VersionSpec {
    /// Everything that is wrong with it.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, problem: &str| {
            if !fine {
                problems.push(problem.to_owned());
            }
        };
        let text = |text: &str| !text.is_empty() && !text.contains('\0');
        check(text(&self.image), "image is empty");
        match &self.kind {
            FunctionKind::Python { handler } | FunctionKind::Node { handler } => check(
                text(handler) && handler.contains('.'),
                "handler is not of the form module.function",
            ),
            FunctionKind::Command { argv } | FunctionKind::Http { argv, .. } => check(
                argv.first().is_some_and(|word| !word.is_empty())
                    && argv.iter().all(|word| !word.contains('\0')),
                "command is empty, or holds a NUL character",
            ),
            FunctionKind::Lambda { argv, handler } => check(
                argv.iter().chain(handler).all(|word| !word.contains('\0'))
                    && argv.first().is_none_or(|word| !word.is_empty()),
                "command or handler holds a NUL character, or command begins with an empty word",
            ),
        }
        if let FunctionKind::Http { port, hooks, .. } = &self.kind {
            check(*port > 0, "port is 0");
            let mut paths = hooks.before_snapshot.iter().chain(&hooks.after_restore);
            check(
                paths.all(|path| is_target(path)),
                "hooks are paths like /closing, of at most 1024 printable characters of ASCII without spaces",
            );
        }
        let names: BTreeSet<_> = self.env.iter().map(|(name, _)| name).collect();
        check(names.len() == self.env.len(), "env names a variable twice");
        let named = |(name, value): &(String, String)| {
            text(name) && !name.contains('=') && !value.contains('\0')
        };
        check(
            self.env.iter().all(named),
            "env holds a name that is empty or holds '=', or a NUL character",
        );
        let size: usize = self
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        check(size <= MAX_ENV_BYTES, "env is larger than 128 KiB");
        let time = |time: Duration| time > Duration::ZERO && time <= MAX_TIME;
        check(time(self.timeout), "timeout_ms may be 1 to 3600000");
        check(
            time(self.init_timeout),
            "init_timeout_ms may be 1 to 3600000",
        );
        let events = 1..=MAX_EVENTS;
        check(
            events.contains(&self.concurrency),
            "concurrency may be 1 to 10000",
        );
        check(self.queue <= MAX_EVENTS, "queue may be 0 to 10000");
        check(
            events.contains(&self.max_warm),
            "max_warm may be 1 to 10000",
        );
        check(
            self.min_warm <= self.max_warm,
            "min_warm is more than max_warm",
        );
        check(self.reuse >= 1, "reuse may be 1 or more");
        problems
    }
}

/// Whether it may stand in a request's first line (RFC 9112, section 3.2.1).
fn is_target(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= MAX_HOOK_BYTES
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut spec = VersionSpec {
            image: "python".into(),
            shape: Shape {
                vcpus: 1,
                memory_mib: 256,
            },
            kind: FunctionKind::Python {
                handler: "app.handle".into(),
            },
            env: vec![("A".into(), "1".into())],
            init_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            concurrency: 1,
            queue: 0,
            min_warm: 0,
            max_warm: 1,
            idle: Duration::from_secs(60),
            reuse: 1,
            network_wanted: false,
        };
        assert_eq!(spec.problems(), Vec::<String>::new());
        spec.kind = FunctionKind::Node {
            handler: "app".into(),
        };
        spec.env.push(("A".into(), "2".into()));
        spec.env.push(("B=".into(), "2".into()));
        spec.timeout = Duration::ZERO;
        (spec.concurrency, spec.min_warm, spec.reuse) = (0, 2, 0);
        assert_eq!(spec.problems().len(), 7, "{:?}", spec.problems());
    }

    #[test]
    fn a_hook_is_one_path_and_nothing_that_could_end_the_line() {
        for (path, fine) in [
            ("/", true),
            ("/a/b?c=%20", true),
            ("", false),
            ("a", false),
            ("http://a/", false),
            ("/a b", false),
            ("/a\r\nx: y", false),
            ("/a#b", false),
            ("/\u{e9}", false),
        ] {
            assert_eq!(is_target(path), fine, "{path:?}");
        }
        assert!(!is_target(&format!("/{}", "a".repeat(MAX_HOOK_BYTES))));
    }
}
