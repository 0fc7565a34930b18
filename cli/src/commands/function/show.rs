//! `thaw fn ls`, `inspect`, `versions` and `rm`

use anyhow::Result;
use thaw_api_types::{FunctionInfo, FunctionKind, FunctionVersion};

use super::short;
use crate::{
    arguments::Connection,
    exit::Exit,
    output::{self, age},
    server::connect,
};

pub(super) async fn list(connection: &Connection) -> Result<Exit> {
    let list = connect(connection)?.functions().await?;
    if connection.json {
        output::json(&list)?;
    } else {
        let rows: Vec<_> = list.functions.iter().map(row).collect();
        let head = [
            "NAME",
            "VERSION",
            "KIND",
            "IMAGE",
            "RUNNING",
            "WAITING",
            "LAST ERROR",
        ];
        output::table(&head, &rows)?;
    }
    Ok(Exit::SUCCESS)
}

pub(super) async fn inspect(name: &str, connection: &Connection) -> Result<Exit> {
    let client = connect(connection)?;
    output::json(&client.function(name).await?)?;
    Ok(Exit::SUCCESS)
}

pub(super) async fn versions(name: &str, connection: &Connection) -> Result<Exit> {
    let list = connect(connection)?.function_versions(name).await?;
    if connection.json {
        output::json(&list)?;
    } else {
        let rows: Vec<_> = list.versions.iter().map(version_row).collect();
        let head = ["VERSION", "KIND", "IMAGE", "MEMORY", "AGE", "CODE"];
        output::table(&head, &rows)?;
    }
    Ok(Exit::SUCCESS)
}

pub(super) async fn remove(
    name: &str,
    version: Option<u64>,
    connection: &Connection,
) -> Result<Exit> {
    let client = connect(connection)?;
    match version {
        Some(version) => client.remove_function_version(name, version).await?,
        None => client.remove_function(name).await?,
    }
    Ok(Exit::SUCCESS)
}

fn row(function: &FunctionInfo) -> Vec<String> {
    let error = function.last_error.as_ref();
    vec![
        function.name.clone(),
        function.newest.version.to_string(),
        kind(&function.newest).to_owned(),
        function.newest.image.clone(),
        function.running.to_string(),
        function.waiting.to_string(),
        error.map(|error| short(&error.message)).unwrap_or_default(),
    ]
}

fn version_row(version: &FunctionVersion) -> Vec<String> {
    vec![
        version.version.to_string(),
        kind(version).to_owned(),
        version.image.clone(),
        format!("{} MiB", version.memory_mib),
        age(version.created_at_ms / 1000),
        version.code_sha256.chars().take(12).collect(),
    ]
}

fn kind(version: &FunctionVersion) -> &'static str {
    match version.kind {
        FunctionKind::Python => "python",
        FunctionKind::Node => "node",
        FunctionKind::Command => "command",
        FunctionKind::Lambda => "lambda",
        FunctionKind::Http => "http",
    }
}
