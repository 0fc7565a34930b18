//! `thaw vm fork`

use anyhow::{Result, ensure};
use thaw_api_types::ForkVmRequest;

use crate::{
    arguments::VmFork,
    commands::pairs::{environment, given, metadata},
    exit::Exit,
    output,
    server::connect,
};

pub(super) async fn run(wanted: VmFork) -> Result<Exit> {
    let named = wanted.names.len();
    let count = match u32::try_from(named) {
        Ok(named) if named > 0 && wanted.count == 1 => named,
        _ => wanted.count,
    };
    ensure!(
        named == 0 || named == count as usize,
        "there are {named} names for {count} VMs; give one --name for each, or none"
    );
    let request = ForkVmRequest {
        count,
        names: (named > 0).then_some(wanted.names),
        env: given(&wanted.env, environment)?,
        metadata: given(&wanted.metadata, metadata)?,
        start_timeout_ms: None,
    };
    let client = connect(&wanted.connection)?;
    let forked = client.fork_vm(&wanted.vm, &request).await?;
    if wanted.connection.json {
        output::json(&forked)?;
    } else {
        for vm in &forked.vms {
            output::line(&vm.id)?;
        }
    }
    Ok(Exit::SUCCESS)
}
