//! `thaw fn deploy`

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use thaw_api_types::{DeployFunctionRequest, FunctionHooks, FunctionKind};

use super::{
    arguments::Deploy,
    code::{self, Files},
};
use crate::{
    exit::Exit,
    output::{self, Progress},
    server::connect,
};

pub(super) async fn run(deploy: Deploy) -> Result<Exit> {
    let client = connect(&deploy.connection)?;
    let json = deploy.connection.json;
    let path = deploy.code.clone();
    let request = request(deploy)?;
    let archive = match path {
        None if request.kind == FunctionKind::Lambda && request.command.is_none() => None,
        path => Some(code::read(path.as_deref().unwrap_or(Path::new(".")))?),
    };
    let mut progress = Progress::start();
    let work = client.deploy_function(&request, archive).await?;
    let deployed = work.finish(|event| progress.show(event)).await?;
    drop(progress);
    if json {
        output::json(&deployed)?;
    } else {
        for warning in &deployed.newest.warnings {
            output::note(&format!("thaw: warning: {warning}"));
        }
        output::line(&format!(
            "{} version {}",
            deployed.name, deployed.newest.version
        ))?;
    }
    Ok(Exit::SUCCESS)
}

fn request(deploy: Deploy) -> Result<DeployFunctionRequest> {
    let kind = match deploy.kind {
        Some(kind) => kind.into(),
        None => guess(&deploy)?,
    };
    let mut request = DeployFunctionRequest::new(deploy.name, deploy.image, kind);
    request.handler = deploy.handler;
    request.command = (!deploy.command.is_empty()).then_some(deploy.command);
    request.port = deploy.port;
    for variable in deploy.env {
        let (name, value) = variable
            .split_once('=')
            .with_context(|| format!("--env {variable} is not of the form NAME=VALUE"))?;
        request.env.insert(name.to_owned(), value.to_owned());
    }
    request.memory_mib = deploy.memory;
    request.vcpus = deploy.vcpus;
    request.timeout_ms = deploy.timeout.map(millis);
    request.init_timeout_ms = deploy.init_timeout.map(millis);
    request.concurrency = deploy.concurrency;
    request.queue = deploy.queue;
    request.min_warm = deploy.min_warm;
    request.max_warm = deploy.max_warm;
    request.idle_ms = deploy.idle.map(millis);
    request.reuse = deploy.reuse;
    request.network = deploy.network;
    if deploy.before_snapshot.is_some() || deploy.after_restore.is_some() {
        request.hooks = Some(FunctionHooks {
            before_snapshot: deploy.before_snapshot,
            after_restore: deploy.after_restore,
        });
    }
    Ok(request)
}

/// A handler's language shows in its file.
fn guess(deploy: &Deploy) -> Result<FunctionKind> {
    let Some(handler) = &deploy.handler else {
        return match (deploy.port, deploy.command.is_empty()) {
            (Some(_), false) => Ok(FunctionKind::Http),
            (None, false) => Ok(FunctionKind::Command),
            (_, true) => bail!(
                "name what is to run: --handler MODULE.FUNCTION, a program after --, or --kind lambda"
            ),
        };
    };
    let path = deploy.code.as_deref().unwrap_or(Path::new("."));
    let files = Files::of(path)?;
    let module = handler.rsplit_once('.').map_or("", |(module, _)| module);
    let is_there = |path: String, endings: &[&str]| {
        let file = |ending: &&str| files.has(&format!("{path}.{ending}"));
        endings.iter().any(file)
    };
    let folders = module.replace('.', "/");
    let package = Path::new(&folders).join("__init__").display().to_string();
    if is_there(folders, &["py"]) || is_there(package, &["py"]) {
        return Ok(FunctionKind::Python);
    }
    if is_there(module.to_owned(), &["js", "mjs", "cjs"]) {
        return Ok(FunctionKind::Node);
    }
    bail!(
        "{} holds no file for handler {handler}; name the kind with --kind, or the code with --code",
        path.display()
    )
}

/// Whole milliseconds; what makes no sense becomes 0, which the server refuses.
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}
