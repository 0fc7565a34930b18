//! `thaw fn invoke`

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result};
use thaw_api_types::FunctionLogQuery;

use super::arguments::Invoke;
use crate::{exit::Exit, output, server::connect};

pub(super) async fn run(invoke: Invoke) -> Result<Exit> {
    let client = connect(&invoke.connection)?;
    let event = match (&invoke.data, &invoke.file) {
        (Some(data), _) => data.clone().into_bytes(),
        (None, Some(file)) => {
            std::fs::read(file).with_context(|| format!("reading {}", file.display()))?
        }
        (None, None) => {
            let mut event = Vec::new();
            std::io::stdin().lock().read_to_end(&mut event)?;
            event
        }
    };
    // Nothing at all is no JSON, but a fair event.
    let content_type = (!event.is_empty()).then_some(invoke.content_type.as_str());
    let qualifier = invoke.qualifier.as_deref();
    if invoke.queue {
        let queued = client
            .queue_function_event(&invoke.name, qualifier, content_type, event)
            .await?;
        if invoke.connection.json {
            output::json(&queued)?;
        } else {
            output::line(&queued.id)?;
        }
        return Ok(Exit::SUCCESS);
    }
    let answer = client
        .invoke_function(&invoke.name, qualifier, content_type, event)
        .await?;
    if invoke.log {
        let query = FunctionLogQuery {
            request_id: Some(answer.request_id.clone()),
            ..FunctionLogQuery::default()
        };
        for log in client.function_logs(&invoke.name, &query).await?.logs {
            output::note(log.text.trim_end());
        }
    }
    if invoke.timings {
        output::note(&format!(
            "version {}, {}: {}",
            answer.version, answer.start, answer.timings_us
        ));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(&answer.body)?;
    if answer.is_text() && !answer.body.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    drop(out);
    match answer.function_error {
        None => Ok(Exit::SUCCESS),
        Some(error) => {
            output::note(&format!("thaw: the function went wrong: {error}"));
            Ok(Exit::FAILURE)
        }
    }
}
