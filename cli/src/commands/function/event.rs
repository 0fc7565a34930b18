//! `thaw fn event`

use anyhow::Result;
use thaw_api_types::{FunctionEvent, FunctionEventQuery, FunctionEventState};

use super::arguments::{Event, EventState};
use crate::{
    arguments::Connection,
    exit::Exit,
    output::{self, age, bytes},
    server::connect,
};

pub(super) async fn run(event: Event) -> Result<Exit> {
    match event {
        Event::Ls {
            name,
            state,
            limit,
            connection,
        } => list(&name, state, limit, &connection).await?,
        Event::Inspect {
            name,
            id,
            connection,
        } => {
            let client = connect(&connection)?;
            output::json(&client.function_event(&name, &id).await?)?;
        }
        Event::Retry {
            name,
            id,
            connection,
        } => {
            let client = connect(&connection)?;
            let event = client.retry_function_event(&name, &id).await?;
            if connection.json {
                output::json(&event)?;
            }
        }
        Event::Rm {
            name,
            id,
            connection,
        } => {
            let client = connect(&connection)?;
            client.remove_function_event(&name, &id).await?;
        }
    }
    Ok(Exit::SUCCESS)
}

async fn list(name: &str, state: EventState, limit: u32, connection: &Connection) -> Result<()> {
    let query = FunctionEventQuery {
        state: Some(state.into()),
        limit: Some(limit),
    };
    let list = connect(connection)?.function_events(name, &query).await?;
    if connection.json {
        return output::json(&list);
    }
    let rows: Vec<_> = list.events.iter().map(row).collect();
    let head = ["ID", "STATE", "AGE", "SIZE", "ATTEMPTS", "LAST ERROR"];
    output::table(&head, &rows)
}

fn row(event: &FunctionEvent) -> Vec<String> {
    let state = match event.state {
        FunctionEventState::Queued => "queued",
        FunctionEventState::Done => "done",
        FunctionEventState::Dead => "dead",
    };
    vec![
        event.id.clone(),
        state.to_owned(),
        age(event.created_at_ms / 1000),
        bytes(event.event_bytes),
        event.attempts.to_string(),
        event.error.as_deref().map(in_a_row).unwrap_or_default(),
    ]
}

/// An error for a table. A function's own is a description in JSON, unless it was so long that it was cut.
fn in_a_row(error: &str) -> String {
    let described = serde_json::from_str::<serde_json::Value>(error).unwrap_or_default();
    match (
        described["errorType"].as_str(),
        described["errorMessage"].as_str(),
    ) {
        (Some(kind), Some(message)) => super::short(&format!("{kind}: {message}")),
        _ => super::short(error),
    }
}
