//! Starts one QEMU: descriptors, sockets, privileges, process.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    process::Stdio,
};

use command_fds::{CommandFdExt as _, FdMapping};
use thaw_guest_protocol::Handover;
use tokio::{net::UnixStream, process::Command};

use super::{
    argv::{Invocation, Start, Transport, fd},
    engine::Context,
    memory::PreparedMemory,
    qmp::Qmp,
};
use crate::{
    ControlError, GuestConnection, RootFs, Shape, StartError, VmmId,
    guest::{TakeOver, vsock},
    jail::Cell,
    orphans::process_name,
    process::{ErrorPipe, Holdings, Output, Process, RunFolder, Running},
};

/// The kernel's side of vsock (drivers/vhost/vsock.c).
pub(super) const VHOST_VSOCK: &str = "/dev/vhost-vsock";

/// The names of the sockets in a VMM's folder. QEMU listens on each again when its one client is gone.
pub(super) mod name {
    pub(in super::super) const QMP: &str = "qmp.sock";
    pub(in super::super) const CONSOLE: &str = "console.sock";
    pub(in super::super) const AGENT: &str = "agent.sock";
}

/// A QEMU that listens.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) process: Process,
    pub(super) qmp: Qmp,
    /// The way to the agent; QEMU hands bytes to the guest once the guest listens.
    pub(super) agent: Agent,
}

/// The way to the agent.
#[derive(Debug)]
pub(super) enum Agent {
    /// Connected to the agent's port.
    Serial(UnixStream),
    /// To be connected to while the guest runs.
    Vsock(u32),
}

impl Agent {
    /// `left` is the word that the agent waits for, where it is in the middle of another connection.
    pub(super) fn connect(self, left: Option<Handover>) -> GuestConnection {
        match (self, left) {
            (Self::Serial(stream), None) => GuestConnection::new(stream),
            (Self::Serial(stream), Some(word)) => GuestConnection::new(TakeOver::new(stream, word)),
            // The load has reset the other connection.
            (Self::Vsock(cid), _) => GuestConnection::connecting(vsock::connect(cid)),
        }
    }
}

/// What a QEMU is started with.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) id: VmmId,
    pub(super) shape: Shape,
    pub(super) root_fs: RootFs,
    pub(super) start: Start,
    /// Number in the child and what it is.
    pub(super) descriptors: Vec<(i32, BorrowedFd<'a>)>,
    /// A shell's memory.
    pub(super) memory: Option<PreparedMemory>,
}

/// Where each of the three sockets has one end in the child and one here.
struct Socket {
    listener: OwnedFd,
    stream: UnixStream,
}

pub(super) async fn launch(context: &Context, launch: Launch<'_>) -> Result<Launched, StartError> {
    let cell = context
        .jail
        .cell()
        .ok_or(StartError::NoFreeUid(context.jail.capacity()))?;
    let folder =
        RunFolder::create(&context.run_folder, &launch.id).map_err(prepare("run folder"))?;
    let qmp = socket(&folder, name::QMP).map_err(prepare("control socket"))?;
    let console = socket(&folder, name::CONSOLE).map_err(prepare("console socket"))?;

    let (transport, agent, agent_mapping) =
        agent_channel(context, &folder, &cell).map_err(prepare("agent channel"))?;

    let name = process_name(&context.tag, &launch.id);
    let arguments = Invocation {
        name: &name,
        accelerator: context.accelerator,
        shape: launch.shape,
        root_fs: launch.root_fs,
        start: launch.start,
        transport,
        tsc_khz: context.tsc_khz,
    }
    .arguments();
    let mut mappings = vec![
        mapping(fd::QMP, qmp.listener),
        agent_mapping,
        mapping(fd::CONSOLE, console.listener),
    ];
    for (number, descriptor) in &launch.descriptors {
        let copy = descriptor
            .try_clone_to_owned()
            .map_err(prepare("descriptors"))?;
        mappings.push(mapping(*number, copy));
    }
    let mut environment = Vec::new();
    let mut handover = None;
    if let Some(memory) = launch.memory {
        environment.extend_from_slice(memory.setup.environment());
        mappings.push(mapping(fd::SHIM, memory.shim));
        let descriptors = memory.setup.into_descriptors().into_iter();
        mappings.extend(descriptors.map(|(number, descriptor)| mapping(number, descriptor)));
        handover = memory.handover;
    }
    let errors = ErrorPipe::create(&folder).map_err(prepare("error pipe"))?;
    let child = spawn(
        context,
        arguments,
        environment,
        mappings,
        errors.vmm_end,
        &cell,
    )?;
    let process = Process::own(
        &context.tracker,
        launch.id,
        child.id().unwrap_or_default(),
        Running::Child(child),
        Output::new(errors.our_end, console.stream),
        Holdings { cell, folder },
    );
    if let Err(error) = Cell::prefer_in_oom(process.pid()) {
        tracing::debug!(%error, "could not make a VMM the first to go when memory runs out");
    }
    // QEMU may need pages of its memory before it greets.
    let handed_over = async {
        match handover {
            Some(handover) => handover.complete().await,
            None => Ok(()),
        }
    };
    let (qmp, handed_over) = tokio::join!(connect(&process, qmp.stream), handed_over);
    // If QEMU ended, it has said why.
    let qmp = qmp?;
    handed_over?;
    Ok(Launched {
        process,
        qmp,
        agent,
    })
}

/// vsock where the host has it, else a virtio-serial port.
fn agent_channel(
    context: &Context,
    folder: &RunFolder,
    cell: &Cell,
) -> io::Result<(Transport, Agent, FdMapping)> {
    if context.vsock {
        let device = File::options().read(true).write(true).open(VHOST_VSOCK)?;
        let cid = cell.number();
        let device = mapping(fd::VHOST_VSOCK, device.into());
        return Ok((Transport::Vsock(cid), Agent::Vsock(cid), device));
    }
    let socket = socket(folder, name::AGENT)?;
    let listener = mapping(fd::AGENT, socket.listener);
    Ok((Transport::Serial, Agent::Serial(socket.stream), listener))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this function starts every QEMU; Process owns it from then on"
)]
fn spawn(
    context: &Context,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    mappings: Vec<FdMapping>,
    stderr: File,
    cell: &Cell,
) -> Result<tokio::process::Child, StartError> {
    let mut command = Command::new(&context.program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);
    command
        .fd_mappings(mappings)
        .map_err(|error| StartError::Prepare {
            what: "descriptors",
            source: io::Error::other(error),
        })?;
    cell.confine(&mut command);
    command.spawn().map_err(|source| StartError::Spawn {
        program: context.program.display().to_string(),
        source,
    })
}

/// QEMU greets as soon as it listens; if it ends instead, its last words are the error.
async fn connect(process: &Process, stream: UnixStream) -> Result<Qmp, StartError> {
    match Qmp::connect(stream).await {
        Ok(qmp) => Ok(qmp),
        Err(error) => Err(explain(process, error).await),
    }
}

/// A broken control socket mostly means that the process ends; its own words say more.
async fn explain(process: &Process, error: ControlError) -> StartError {
    let mut end = process.end();
    match tokio::time::timeout(super::engine::LAST_WORDS, end.wait()).await {
        Ok(end) => StartError::Ended(end),
        Err(_) => StartError::Control(error),
    }
}

fn socket(folder: &RunFolder, name: &str) -> io::Result<Socket> {
    Ok(Socket {
        listener: folder.listen(name)?.into(),
        stream: folder.connect(name)?,
    })
}

fn mapping(child_fd: i32, parent_fd: OwnedFd) -> FdMapping {
    FdMapping {
        parent_fd,
        child_fd,
    }
}

pub(super) fn prepare(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Prepare { what, source }
}
