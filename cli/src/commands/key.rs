//! `thaw key`

use anyhow::Result;
use thaw_api_types::{CreateKeyRequest, KeyInfo};

use crate::{auth_arguments::Key, exit::Exit, output, server::connect};

pub(super) async fn run(key: Key) -> Result<Exit> {
    match key {
        Key::Create {
            name,
            scopes,
            expires,
            connection,
        } => {
            let request = CreateKeyRequest {
                name,
                scopes,
                expires_in_s: expires,
            };
            let made = connect(&connection)?.create_key(&request).await?;
            if connection.json {
                output::json(&made)?;
            } else {
                output::line(&made.key)?;
                output::note("Keep it now: it is not shown again.");
            }
        }
        Key::Ls { connection } => {
            let list = connect(&connection)?.keys().await?;
            if connection.json {
                output::json(&list)?;
            } else {
                let rows: Vec<_> = list.keys.iter().map(row).collect();
                let head = ["NAME", "ID", "SCOPES", "EXPIRES", "LAST USED", "AGE"];
                output::table(&head, &rows)?;
            }
        }
        Key::Revoke { key, connection } => {
            connect(&connection)?.revoke_key(&key).await?;
            if connection.json {
                output::json(&serde_json::json!({ "revoked": key }))?;
            }
        }
    }
    Ok(Exit::SUCCESS)
}

fn row(key: &KeyInfo) -> Vec<String> {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let expires = key.expires_at.map(output::until);
    let used = key
        .last_used_at
        .map(|at| format!("{} ago", output::age(at)));
    vec![
        key.name.clone(),
        key.id.clone(),
        scopes.join(", "),
        expires.unwrap_or_else(|| "never".to_owned()),
        used.unwrap_or_else(|| "never".to_owned()),
        output::age(key.created_at),
    ]
}
