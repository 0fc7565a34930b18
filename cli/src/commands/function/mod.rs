//! `thaw fn`

mod alias;
mod arguments;
mod code;
mod deploy;
mod event;
mod init;
mod invoke;
mod logs;
mod show;

use anyhow::Result;

pub(crate) use arguments::FunctionCommand;

use crate::exit::Exit;

pub(super) async fn run(command: FunctionCommand) -> Result<Exit> {
    match command {
        FunctionCommand::Init(init) => init::run(&init),
        FunctionCommand::Deploy(deploy) => deploy::run(*deploy).await,
        FunctionCommand::Ls { connection } => show::list(&connection).await,
        FunctionCommand::Inspect { name, connection } => show::inspect(&name, &connection).await,
        FunctionCommand::Invoke(invoke) => invoke::run(invoke).await,
        FunctionCommand::Logs(logs) => logs::run(logs).await,
        FunctionCommand::Rm {
            name,
            version,
            connection,
        } => show::remove(&name, version, &connection).await,
        FunctionCommand::Versions { name, connection } => show::versions(&name, &connection).await,
        FunctionCommand::Alias(alias) => alias::run(alias).await,
        FunctionCommand::Event(event) => event::run(event).await,
    }
}

/// What fits into a table; `inspect` tells the whole.
fn short(text: &str) -> String {
    const MOST_CHARS: usize = 60;
    if text.chars().count() <= MOST_CHARS {
        return text.to_owned();
    }
    text.chars().take(MOST_CHARS - 1).chain(['…']).collect()
}
