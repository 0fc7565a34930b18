//! Removing several things: each is tried, and the first failure is the command's.

use anyhow::Result;
use serde_json::json;
use thaw_api_types::client::ClientError;

use crate::{exit::Exit, output};

/// Removes each, and prints what was removed.
///
/// # Errors
/// The first failure, when everything was tried; the others are told on standard error.
pub(super) async fn each(
    names: &[String],
    as_json: bool,
    remove: impl AsyncFn(&str) -> Result<(), ClientError>,
) -> Result<Exit> {
    let (mut removed, mut failure) = (Vec::new(), None);
    for name in names {
        match remove(name).await {
            Ok(()) if as_json => removed.push(name),
            Ok(()) => output::line(name)?,
            Err(error) if failure.is_none() => failure = Some(error),
            Err(error) => output::note(&format!("thaw: {error}")),
        }
    }
    if as_json {
        output::json(&json!({ "removed": removed }))?;
    }
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(Exit::SUCCESS),
    }
}
