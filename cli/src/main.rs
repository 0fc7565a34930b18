//! The `thaw` command: `thaw serve` is the daemon, everything else talks HTTP to it.

mod arguments;
mod auth_arguments;
mod commands;
mod credentials;
mod daemon;
mod embedded;
mod exit;
mod fetch;
mod inside;
mod logging;
mod output;
mod password;
mod server;

use clap::Parser as _;

use crate::{arguments::Arguments, exit::Exit};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Exit::failed(&error.into()).into(),
    };
    let exit = runtime
        .block_on(commands::run(arguments))
        .unwrap_or_else(|error| Exit::failed(&error));
    exit.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn no_two_arguments_of_a_command_have_one_name() {
        Arguments::command().debug_assert();
    }
}
