//! `thaw completions`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{arguments::Arguments, exit::Exit};

pub(super) fn run(shell: Shell) -> Exit {
    let mut command = Arguments::command();
    clap_complete::generate(shell, &mut command, "thaw", &mut std::io::stdout());
    Exit::SUCCESS
}
