//! The life of the machine.

use std::{
    convert::Infallible,
    fs::{self, File},
    os::fd::AsFd as _,
    process::ExitCode,
};

use nix::{
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
    unistd::{Pid, getpid},
};
use tokio::runtime::{Builder, Handle};

use super::{
    BootError,
    cmdline::{Options, TransportKind},
    console, files, limits, modules, mounts, power_off,
    root::{self, Disk},
    sys,
};
use crate::{
    agent::{Agent, Powers},
    rest::Freezer,
    transport,
};

/// Operations on files at once; more wait for their turn.
const FILE_THREADS: usize = 64;

/// Removing a tree takes a frame of the stack for each level. Only what is used takes memory.
const STACK_BYTES: usize = 16 << 20;

/// This machine, as its PID 1 sees it.
#[derive(Debug)]
pub struct Machine {
    _only_here: (),
}

impl Machine {
    /// The machine, if this process is its PID 1.
    pub fn this() -> Option<Self> {
        (getpid() == Pid::from_raw(1)).then_some(Self { _only_here: () })
    }

    /// Boots and answers the host until the machine is powered off. An error or a panic is said on
    /// the console and powers it off too.
    pub fn live(self) -> ExitCode {
        std::panic::set_hook(Box::new(|panic| {
            console::say_text(&format!("thaw-agent: {panic}"));
            power_off();
        }));
        match boot_and_serve() {
            Ok(never) => match never {},
            Err(error) => console::say(&error),
        }
        power_off();
        ExitCode::FAILURE
    }
}

fn boot_and_serve() -> Result<Infallible, BootError> {
    mounts::early()?;
    let cmdline = fs::read_to_string("/proc/cmdline")
        .map_err(BootError::system("read the kernel's command line"))?;
    let options = Options::parse(&cmdline)?;
    modules::load()?;
    let (disk, scratch) = root::assemble(options.root)?;
    root::switch()?;
    mounts::late()?;
    limits::set()?;
    loopback()?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(BootError::system("start the runtime"))?;
    runtime.block_on(serve_forever(options.transport, disk, scratch))
}

async fn serve_forever(
    kind: TransportKind,
    disk: Disk,
    scratch: File,
) -> Result<Infallible, BootError> {
    let agent = Agent::new(Powers::Guest, Handle::current());
    agent.scratch().mounted(scratch);
    files::lay_out(&agent, disk)?;
    let freezer = Freezer::open().map_err(BootError::system("open the hierarchy of cgroups"))?;
    agent.rest().freeze_with(freezer);
    let orphans = agent
        .orphans()
        .map_err(BootError::system("watch for orphans"))?;
    let sessions = async {
        match kind {
            TransportKind::Serial => transport::serial(agent).await,
            TransportKind::Vsock => transport::vsock(agent).await,
        }
    };
    // Answers go out before anything is tidied up.
    tokio::select! {
        biased;
        ended = sessions => ended,
        reaped = orphans.run() => Err(match reaped {
            Ok(never) => match never {},
            Err(error) => BootError::system("reap orphans")(error),
        }),
    }
}

fn loopback() -> Result<(), BootError> {
    let attempt = "bring up the loopback interface";
    let kind = SockType::Datagram;
    let socket = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None)
        .map_err(BootError::system(attempt))?;
    sys::loopback_up(socket.as_fd()).map_err(BootError::system(attempt))
}
