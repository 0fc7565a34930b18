//! `thaw completions`

use std::io::Write as _;

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{arguments::Arguments, exit::Exit};

pub(super) fn run(shell: Shell) -> Result<Exit> {
    let mut command = Arguments::command();
    // Whoever reads it may stop in the middle, which the generator takes for impossible.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "thaw", &mut script);
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::SUCCESS)
}
