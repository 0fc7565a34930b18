//! `thaw vm logs`

use std::io::Write as _;

use anyhow::Result;
use thaw_api_types::VmLogsQuery;

use crate::{arguments::VmLogs, exit::Exit, server::connect};

pub(super) async fn run(wanted: VmLogs) -> Result<Exit> {
    wanted.connection.prints_bytes("a console")?;
    let query = VmLogsQuery {
        tail: wanted.tail,
        follow: wanted.follow,
    };
    let client = connect(&wanted.connection)?;
    let mut said = client.vm_logs(&wanted.vm, &query).await?;
    while let Some(piece) = said.next().await? {
        let mut out = std::io::stdout().lock();
        out.write_all(&piece)?;
        out.flush()?;
    }
    Ok(Exit::SUCCESS)
}
