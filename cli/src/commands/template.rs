//! `thaw template`

use anyhow::Result;
use thaw_api_types::TemplateInfo;

use crate::{arguments::Template, exit::Exit, output, server::connect};

pub(super) async fn run(template: Template) -> Result<Exit> {
    match template {
        Template::Ls { connection } => {
            let list = connect(&connection)?.templates().await?;
            if connection.json {
                output::json(&list)?;
            } else {
                let rows: Vec<_> = list.templates.iter().map(row).collect();
                let head = ["ID", "IMAGE", "VCPUS", "MEMORY", "ON DISK", "IN USE", "AGE"];
                output::table(&head, &rows)?;
            }
        }
        Template::Inspect { id, connection } => {
            output::json(&connect(&connection)?.template(&id).await?)?;
        }
        Template::Rm { id, connection } => connect(&connection)?.remove_template(&id).await?,
    }
    Ok(Exit::SUCCESS)
}

fn row(template: &TemplateInfo) -> Vec<String> {
    vec![
        template.id.clone(),
        template.image_names.join(", "),
        template.vcpus.to_string(),
        format!("{} MiB", template.memory_mib),
        output::bytes(template.disk_bytes),
        template.in_use.to_string(),
        output::age(template.created_at),
    ]
}
