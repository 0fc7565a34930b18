//! `thaw vm`

mod attend;
mod background;
mod cp;
mod create;
mod exec;
mod fork;
mod forward;
mod list;
mod local;
mod logs;
mod place;
mod stdin;
mod terminal;
mod tty;
mod usage;

use anyhow::Result;
use thaw_api_types::{ChangeVmRequest, TakeSnapshotRequest, VmInfo};

use super::{
    pairs::{given, metadata},
    remove,
};
use crate::{
    arguments::{OneVm, Vm},
    exit::Exit,
    output,
    server::connect,
};

pub(super) use create::create_request;

pub(super) async fn run(vm: Vm) -> Result<Exit> {
    match vm {
        Vm::Create(wanted) => create::run(wanted).await,
        Vm::Cp(copy) => cp::run(copy).await,
        Vm::Exec(wanted) => exec::run(wanted).await,
        Vm::Execs(wanted) => background::list(wanted).await,
        Vm::Output(wanted) => background::output(wanted).await,
        Vm::Kill(wanted) => background::kill(wanted).await,
        Vm::Terminal(wanted) => terminal::run(wanted).await,
        Vm::Forward(wanted) => forward::run(wanted).await,
        Vm::Logs(wanted) => logs::run(wanted).await,
        Vm::Usage(wanted) => usage::run(wanted).await,
        Vm::Ls(wanted) => list::run(wanted).await,
        Vm::Fork(wanted) => fork::run(wanted).await,
        Vm::Inspect(OneVm { vm, connection }) => {
            output::json(&connect(&connection)?.vm(&vm).await?)?;
            Ok(Exit::SUCCESS)
        }
        Vm::Pause(OneVm { vm, connection }) => {
            let vm = connect(&connection)?.pause_vm(&vm).await?;
            show(&vm, connection.json)
        }
        Vm::Resume(OneVm { vm, connection }) => {
            let vm = connect(&connection)?.resume_vm(&vm).await?;
            show(&vm, connection.json)
        }
        Vm::Stop(OneVm { vm, connection }) => {
            let vm = connect(&connection)?.stop_vm(&vm).await?;
            show(&vm, connection.json)
        }
        Vm::Start(OneVm { vm, connection }) => {
            let vm = connect(&connection)?.start_vm(&vm).await?;
            show(&vm, connection.json)
        }
        Vm::Rename {
            vm,
            name,
            connection,
        } => {
            let change = ChangeVmRequest {
                name: Some(name),
                ..ChangeVmRequest::default()
            };
            let vm = connect(&connection)?.change_vm(&vm, &change).await?;
            show(&vm, connection.json)
        }
        Vm::Rm { vms, connection } => {
            let client = connect(&connection)?;
            let delete = async |vm: &str| client.delete_vm(vm).await;
            remove::each(&vms, connection.json, delete).await
        }
        Vm::Snapshot {
            vm,
            name,
            metadata: entries,
            connection,
        } => {
            let request = TakeSnapshotRequest {
                name,
                metadata: given(&entries, metadata)?,
            };
            let taken = connect(&connection)?.take_snapshot(&vm, &request).await?;
            if connection.json {
                output::json(&taken)?;
            } else {
                output::line(&taken.id)?;
            }
            Ok(Exit::SUCCESS)
        }
    }
}

/// Prints a VM as JSON, or its id; warnings go to standard error.
pub(super) fn show(vm: &VmInfo, json: bool) -> Result<Exit> {
    if json {
        output::json(vm)?;
    } else {
        for warning in &vm.warnings {
            output::note(&format!("thaw: warning: {warning}"));
        }
        output::line(&vm.id)?;
    }
    Ok(Exit::SUCCESS)
}
