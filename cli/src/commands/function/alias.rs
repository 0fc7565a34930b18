//! `thaw fn alias`

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use thaw_api_types::{FunctionAlias, PutAliasRequest};

use super::arguments::Alias;
use crate::{arguments::Connection, exit::Exit, output, server::connect};

pub(super) async fn run(alias: Alias) -> Result<Exit> {
    match alias {
        Alias::Set {
            name,
            alias,
            versions,
            connection,
        } => {
            let request = PutAliasRequest {
                versions: weights(&versions)?,
            };
            let client = connect(&connection)?;
            let set = client.put_function_alias(&name, &alias, &request).await?;
            show(&set, &connection)?;
        }
        Alias::Rollback {
            name,
            alias,
            connection,
        } => {
            let client = connect(&connection)?;
            let set = client.roll_back_function_alias(&name, &alias).await?;
            show(&set, &connection)?;
        }
        Alias::Rm {
            name,
            alias,
            connection,
        } => {
            let client = connect(&connection)?;
            client.remove_function_alias(&name, &alias).await?;
        }
    }
    Ok(Exit::SUCCESS)
}

fn weights(versions: &[String]) -> Result<BTreeMap<String, f64>> {
    let mut weights = BTreeMap::new();
    for text in versions {
        let (version, weight) = match text.split_once('=') {
            None => (text.as_str(), 1.0),
            Some((version, weight)) => {
                let weight = weight
                    .parse()
                    .with_context(|| format!("the weight in {text} is no number"))?;
                (version, weight)
            }
        };
        if weights.insert(version.to_owned(), weight).is_some() {
            bail!("version {version} is named twice");
        }
    }
    Ok(weights)
}

fn show(alias: &FunctionAlias, connection: &Connection) -> Result<()> {
    if connection.json {
        return output::json(alias);
    }
    let versions = alias.versions.iter();
    let versions: Vec<_> = versions
        .map(|(version, weight)| format!("{version}={weight}"))
        .collect();
    output::line(&format!("{} {}", alias.name, versions.join(" ")))
}
