//! `thaw fn ls`, `inspect` and `rm`

use anyhow::Result;
use thaw_api_types::{FunctionInfo, FunctionKind};

use crate::{arguments::Connection, exit::Exit, output, server::connect};

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
    let kind = match function.newest.kind {
        FunctionKind::Python => "python",
        FunctionKind::Node => "node",
        FunctionKind::Command => "command",
        FunctionKind::Lambda => "lambda",
        FunctionKind::Http => "http",
    };
    let error = function.last_error.as_ref();
    vec![
        function.name.clone(),
        function.newest.version.to_string(),
        kind.to_owned(),
        function.newest.image.clone(),
        function.running.to_string(),
        function.waiting.to_string(),
        error.map(|error| short(&error.message)).unwrap_or_default(),
    ]
}

/// What fits into a table; `inspect` tells the whole.
fn short(text: &str) -> String {
    const MOST_CHARS: usize = 60;
    if text.chars().count() <= MOST_CHARS {
        return text.to_owned();
    }
    text.chars().take(MOST_CHARS - 1).chain(['…']).collect()
}
