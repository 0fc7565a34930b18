//! `thaw fn logs`

use anyhow::Result;
use thaw_api_types::{FunctionLog, FunctionLogQuery};

use super::arguments::Logs;
use crate::{exit::Exit, output, server::connect};

pub(super) async fn run(logs: Logs) -> Result<Exit> {
    let client = connect(&logs.connection)?;
    let query = FunctionLogQuery {
        after: None,
        request_id: logs.request_id,
        errors: logs.errors,
        limit: Some(logs.limit),
    };
    let json = logs.connection.json;
    if !logs.follow {
        for log in client.function_logs(&logs.name, &query).await?.logs {
            show(&log, json)?;
        }
        return Ok(Exit::SUCCESS);
    }
    let mut follow = client.follow_function_logs(&logs.name, &query).await?;
    while let Some(log) = follow.next().await? {
        show(&log, json)?;
    }
    Ok(Exit::SUCCESS)
}

fn show(log: &FunctionLog, json: bool) -> Result<()> {
    if json {
        return output::line(&serde_json::to_string(log)?);
    }
    let took = log.duration_us as f64 / 1000.0;
    let error = log.error.as_deref();
    output::line(&format!(
        "-- {} version {} {took:.1} ms{}{}",
        log.request_id,
        log.version,
        error
            .map(|error| format!(" ERROR {error}"))
            .unwrap_or_default(),
        if log.truncated { " (cut)" } else { "" },
    ))?;
    if !log.text.is_empty() {
        output::line(log.text.trim_end())?;
    }
    Ok(())
}
