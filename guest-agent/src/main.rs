//! PID 1 of the guest.

use std::process::ExitCode;

use thaw_agent::Machine;

fn main() -> ExitCode {
    let Some(machine) = Machine::this() else {
        eprint_usage();
        return ExitCode::from(2);
    };
    machine.live()
}

#[expect(clippy::print_stderr, reason = "a person started it by hand")]
fn eprint_usage() {
    eprintln!("thaw-agent runs as PID 1 of a Thaw guest and is of no use elsewhere");
}
