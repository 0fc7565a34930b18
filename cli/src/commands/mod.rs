//! One file for each command.

mod auth;
mod completions;
mod doctor;
mod exec;
mod function;
mod image;
mod init;
mod key;
mod pairs;
mod pool;
mod program;
mod remove;
mod run;
mod serve;
mod snapshot;
mod template;
mod vm;

use anyhow::Result;

pub(crate) use function::FunctionCommand;

use crate::{
    arguments::{Arguments, Command},
    exit::Exit,
};

/// Does what the command line says.
///
/// # Errors
/// What `main` tells and exits with.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Serve(serve) => serve::run(serve).await,
        Command::Init(init) => Box::pin(init::run(init)).await,
        Command::Doctor(doctor) => Box::pin(doctor::run(doctor)).await,
        Command::Run(run) => Box::pin(run::run(run)).await,
        Command::Exec(exec) => exec::run(exec).await,
        Command::Image(image) => image::run(image).await,
        Command::Template(template) => template::run(template).await,
        Command::Pool(pool) => pool::run(pool).await,
        Command::Auth(auth) => auth::run(auth),
        Command::Key(key) => key::run(key).await,
        Command::Vm(vm) => Box::pin(vm::run(vm)).await,
        Command::Snapshot(snapshot) => Box::pin(snapshot::run(snapshot)).await,
        Command::Fn(command) => Box::pin(function::run(command)).await,
        Command::Completions { shell } => completions::run(shell),
    }
}
