//! Between the interface's types of functions and the runner's.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use thaw_api_types::{
    DeployFunctionRequest, FunctionAlias, FunctionHooks, FunctionInfo, FunctionKind,
    FunctionLastError, FunctionLog, FunctionVersion,
};
use thaw_runner::{
    functions::{self, BadName, Deploy, FunctionName, Route, VersionSpec},
    node::vmm::{Shape, protocol},
};

use crate::convert;

/// Where a server listens when a request does not say.
const DEFAULT_PORT: u16 = 8080;
/// Told of a function that was to have a network.
const NO_NETWORK: &str = "there are no networks yet: the function's VMs are made without one";
const DEFAULT_TIMEOUT_MS: u64 = 30_000;
const DEFAULT_INIT_TIMEOUT_MS: u64 = 60_000;
const DEFAULT_CONCURRENCY: u32 = 10;
const DEFAULT_QUEUE: u32 = 100;
const DEFAULT_MIN_WARM: u32 = 1;
const DEFAULT_MAX_WARM: u32 = 8;
const DEFAULT_IDLE_MS: u64 = 300_000;

/// What a checked request means.
pub(super) fn deploy(
    request: DeployFunctionRequest,
    code: Option<Bytes>,
) -> Result<Deploy, BadName> {
    let (vcpus, memory_mib) = convert::shape(request.vcpus, request.memory_mib);
    let named_handler = request.handler.clone();
    let handler = request.handler.unwrap_or_default();
    let argv = request.command.unwrap_or_default();
    let kind = match request.kind {
        FunctionKind::Python => protocol::FunctionKind::Python { handler },
        FunctionKind::Node => protocol::FunctionKind::Node { handler },
        FunctionKind::Command => protocol::FunctionKind::Command { argv },
        FunctionKind::Lambda => protocol::FunctionKind::Lambda {
            argv,
            handler: named_handler,
        },
        FunctionKind::Http => protocol::FunctionKind::Http {
            argv,
            port: request.port.unwrap_or(DEFAULT_PORT),
            hooks: request.hooks.map(hooks).unwrap_or_default(),
        },
    };
    let ms = |given: Option<u64>, default| Duration::from_millis(given.unwrap_or(default));
    let max_warm = request.max_warm.unwrap_or(DEFAULT_MAX_WARM);
    Ok(Deploy {
        name: FunctionName::new(request.name)?,
        spec: VersionSpec {
            image: request.image,
            shape: Shape { vcpus, memory_mib },
            kind,
            env: request.env.into_iter().collect(),
            init_timeout: ms(request.init_timeout_ms, DEFAULT_INIT_TIMEOUT_MS),
            timeout: ms(request.timeout_ms, DEFAULT_TIMEOUT_MS),
            concurrency: request.concurrency.unwrap_or(DEFAULT_CONCURRENCY),
            queue: request.queue.unwrap_or(DEFAULT_QUEUE),
            min_warm: request.min_warm.unwrap_or(DEFAULT_MIN_WARM.min(max_warm)),
            max_warm,
            idle: ms(request.idle_ms, DEFAULT_IDLE_MS),
            reuse: request.reuse.unwrap_or(1),
            network_wanted: request.network,
        },
        code,
    })
}

pub(super) fn function(info: functions::FunctionInfo) -> FunctionInfo {
    FunctionInfo {
        name: info.name.to_string(),
        newest: version(&info.newest),
        versions: info.versions as u64,
        aliases: info.aliases.into_iter().map(alias).collect(),
        created_at_ms: info.created_at_ms,
        running: info.running,
        waiting: info.waiting,
        last_error: info
            .last_error
            .map(|(request_id, message)| FunctionLastError {
                request_id,
                message,
            }),
    }
}

pub(super) fn version(version: &functions::Version) -> FunctionVersion {
    let spec = &version.spec;
    let mut told_hooks = None;
    let (kind, handler, command, port) = match &spec.kind {
        protocol::FunctionKind::Python { handler } => {
            (FunctionKind::Python, Some(handler), None, None)
        }
        protocol::FunctionKind::Node { handler } => (FunctionKind::Node, Some(handler), None, None),
        protocol::FunctionKind::Command { argv } => (FunctionKind::Command, None, Some(argv), None),
        protocol::FunctionKind::Lambda { argv, handler } => {
            let argv = (!argv.is_empty()).then_some(argv);
            (FunctionKind::Lambda, handler.as_ref(), argv, None)
        }
        protocol::FunctionKind::Http { argv, port, hooks } => {
            told_hooks = (!hooks.is_empty()).then(|| FunctionHooks {
                before_snapshot: hooks.before_snapshot.clone(),
                after_restore: hooks.after_restore.clone(),
            });
            (FunctionKind::Http, None, Some(argv), Some(*port))
        }
    };
    FunctionVersion {
        version: version.number,
        kind,
        handler: handler.cloned(),
        command: command.cloned(),
        port,
        hooks: told_hooks,
        image: spec.image.clone(),
        env: spec.env.iter().map(|(name, _)| name.clone()).collect(),
        vcpus: spec.shape.vcpus,
        memory_mib: spec.shape.memory_mib,
        timeout_ms: millis(spec.timeout),
        init_timeout_ms: millis(spec.init_timeout),
        concurrency: spec.concurrency,
        queue: spec.queue,
        min_warm: spec.min_warm,
        max_warm: spec.max_warm,
        idle_ms: millis(spec.idle),
        reuse: spec.reuse,
        image_digest: version.image_digest.clone(),
        code_sha256: version.code_digest.clone(),
        code_bytes: version.code_bytes,
        template: version.template().to_string(),
        created_at_ms: version.created_at_ms,
        warnings: spec
            .network_wanted
            .then(|| NO_NETWORK.to_owned())
            .into_iter()
            .collect(),
    }
}

fn hooks(hooks: FunctionHooks) -> protocol::HttpHooks {
    protocol::HttpHooks {
        before_snapshot: hooks.before_snapshot,
        after_restore: hooks.after_restore,
    }
}

pub(super) fn alias(alias: functions::Alias) -> FunctionAlias {
    FunctionAlias {
        name: alias.name,
        versions: weights(&alias.routes),
        previous: alias.previous.as_deref().map(weights),
    }
}

/// None when a key is no version's number.
pub(super) fn routes(versions: &BTreeMap<String, f64>) -> Option<Vec<Route>> {
    let route = |(version, weight): (&String, &f64)| {
        Some(Route {
            version: version.parse().ok()?,
            weight: *weight,
        })
    };
    versions.iter().map(route).collect()
}

fn weights(routes: &[Route]) -> BTreeMap<String, f64> {
    let weight = |route: &Route| (route.version.to_string(), route.weight);
    routes.iter().map(weight).collect()
}

pub(super) fn log(log: functions::InvocationLog) -> FunctionLog {
    FunctionLog {
        sequence: log.sequence,
        request_id: log.request_id,
        version: log.version,
        ended_at_ms: log.ended_at_ms,
        duration_us: log.duration_us,
        error: log.error,
        text: log.text,
        truncated: log.truncated,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
