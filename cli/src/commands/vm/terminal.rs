//! `thaw vm terminal`

use anyhow::Result;
use thaw_api_types::client::OpenTerminal;

use super::{
    attend::{Ours, attend},
    tty::{self, RawTerminal},
};
use crate::{arguments::VmTerminal, exit::Exit, server::connect};

pub(super) async fn run(wanted: VmTerminal) -> Result<Exit> {
    wanted.connection.prints_bytes("a terminal")?;
    let client = connect(&wanted.connection)?;
    let how = OpenTerminal {
        size: tty::size(),
        command: wanted.command,
        cwd: wanted.workdir,
        user: wanted.user,
        term: std::env::var("TERM").ok().filter(|term| !term.is_empty()),
    };
    let (input, output) = client.terminal(&wanted.vm, &how).await?;
    // Raw only now: whatever is refused before is told on a terminal as it was.
    let _raw = RawTerminal::enter()?;
    let ours = Ours {
        stdin: true,
        size: true,
        signals: false,
        timings: false,
    };
    Box::pin(attend(input, output, ours)).await
}
