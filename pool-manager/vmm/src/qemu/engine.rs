//! Finds QEMU and starts machines with it.

use std::{
    fs::File,
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use nix::sys::memfd::{MFdFlags, memfd_create};
use sha2::{Digest as _, Sha256};
use thaw_guest_protocol::{Opening, Request};
use thiserror::Error;
use tokio_util::task::TaskTracker;

use super::{
    Accelerator,
    adopt::find,
    argv::{Start, Transport, command_line_of, fd, machine_digest},
    launch::{Launch, VHOST_VSOCK, launch, prepare},
    machine::QemuMachine,
    memory::Shim,
    shell::QemuShell,
    tsc::TscSample,
};
use crate::{
    AdoptError, AdoptSpec, Adopted, BootSpec, Engine, EngineIdentity, GuestConnection, Jail,
    Machine, Shell, ShellSpec, StartError, UidRange, VmmId, orphans, tools,
};

/// Its program.
pub(super) const PROGRAM: &str = "qemu-system-x86_64";

/// How long a process that closed its control socket may take to end, before the socket's own error is reported.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the QEMU engine is set up.
#[derive(Debug, Clone)]
pub struct QemuConfig {
    /// The storage root; VMMs of other roots are never touched.
    pub storage_root: PathBuf,
    /// How guest code runs.
    pub accelerator: Accelerator,
    /// The uids that VMMs run as.
    pub uids: UidRange,
    /// The library that maps guest memory, to be preloaded into QEMU (`thaw-lazymem-shim`).
    pub shim: Vec<u8>,
}

/// QEMU can't be used.
#[derive(Debug, Error)]
pub enum QemuError {
    /// It is not installed.
    #[error("qemu-system-x86_64 is missing; install it: apt-get install qemu-system-x86")]
    NotFound,
    /// It does not run.
    #[error("could not ask {program} for its version")]
    Version {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is too old.
    #[error(
        "QEMU {0} is too old; 7.2 or newer is needed: install qemu-system-x86 of Debian 12, Ubuntu 24.04 or later"
    )]
    TooOld(String),
    /// The library that maps guest memory could not be written.
    #[error("could not write the library for guest memory into {path}")]
    Shim {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The run folder could not be made.
    #[error("could not make {path}")]
    RunFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The QEMU engine.
#[derive(Debug, Clone)]
pub struct Qemu {
    context: Arc<Context>,
    identity: EngineIdentity,
    command_line: String,
}

/// What every start needs.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) program: PathBuf,
    pub(super) accelerator: Accelerator,
    pub(super) jail: Jail,
    pub(super) shim: Shim,
    pub(super) run_folder: PathBuf,
    pub(super) tag: String,
    pub(super) tracker: TaskTracker,
    pub(super) tsc_khz: u64,
    /// The host has vhost-vsock.
    pub(super) vsock: bool,
}

impl Qemu {
    /// The version of the QEMU that is installed, such as `7.2.22`.
    ///
    /// # Errors
    /// Where there is none, or it is too old, or does not run.
    pub async fn version() -> Result<String, QemuError> {
        Self::installed().await.map(|(_, version)| version)
    }

    async fn installed() -> Result<(PathBuf, String), QemuError> {
        let program = tools::find(PROGRAM).ok_or(QemuError::NotFound)?;
        let version = version_of(&program)
            .await
            .map_err(|source| QemuError::Version {
                program: program.clone(),
                source,
            })?;
        if !is_new_enough(&version) {
            return Err(QemuError::TooOld(version));
        }
        Ok((program, version))
    }

    /// Finds QEMU and asks for its version.
    ///
    /// # Errors
    /// See [`QemuError`].
    pub async fn open(config: QemuConfig) -> Result<Self, QemuError> {
        let failed = |source| QemuError::Version {
            program: PROGRAM.into(),
            source,
        };
        // The time that QEMU takes to answer is long enough to measure the counter over.
        let before = TscSample::now().map_err(failed)?;
        let (program, version) = Self::installed().await?;
        let tsc_khz = TscSample::now().map_err(failed)?.khz_since(before);
        let run_folder = config.storage_root.join("run/vmm");
        std::fs::create_dir_all(&run_folder).map_err(|source| QemuError::RunFolder {
            path: run_folder.clone(),
            source,
        })?;
        let run = config.storage_root.join("run");
        let shim = Shim::write(&run, &config.shim)
            .map_err(|source| QemuError::Shim { path: run, source })?;
        let vsock = Path::new(VHOST_VSOCK).exists();
        let transport = if vsock {
            Transport::Vsock(0)
        } else {
            Transport::Serial
        };
        let identity = EngineIdentity {
            name: "qemu".to_owned(),
            version,
            machine: machine_digest(config.accelerator, transport),
            accelerator: config.accelerator.to_string(),
            transport: if vsock { "vsock" } else { "serial" }.to_owned(),
        };
        let context = Context {
            program,
            accelerator: config.accelerator,
            jail: Jail::new(config.uids),
            shim,
            run_folder,
            tag: tag_of(&config.storage_root),
            tracker: TaskTracker::new(),
            tsc_khz,
            vsock,
        };
        Ok(Self {
            context: Arc::new(context),
            identity,
            command_line: command_line_of(config.accelerator, transport),
        })
    }

    /// Whether every VMM runs as a uid of its own, which takes root.
    pub fn separates_users(&self) -> bool {
        self.context.jail.separates_users()
    }
}

#[async_trait]
impl Engine for Qemu {
    fn identity(&self) -> &EngineIdentity {
        &self.identity
    }

    fn command_line(&self) -> &str {
        &self.command_line
    }

    async fn boot(&self, spec: BootSpec) -> Result<Box<dyn Machine>, StartError> {
        let timeout = spec.boot_timeout;
        let memory = own_memory(spec.shape.memory_bytes()).map_err(prepare("memory"))?;
        let launched = launch(
            &self.context,
            Launch {
                id: spec.id.clone(),
                shape: spec.shape,
                root_fs: spec.root.fs,
                start: Start::Boot,
                descriptors: vec![
                    (fd::MEMORY, memory.as_fd()),
                    (fd::ROOT, spec.root.file.as_fd()),
                    (fd::SCRATCH, spec.scratch.as_fd()),
                    (fd::KERNEL, spec.kernel.image().as_fd()),
                    (fd::INITRAMFS, spec.kernel.initramfs().as_fd()),
                ],
                memory: None,
            },
        )
        .await?;
        let machine = QemuMachine::booted(launched, spec.scratch, memory);
        match tokio::time::timeout(timeout, agent_is_up(&machine)).await {
            Ok(up) => up?,
            Err(_) => return Err(StartError::TimedOut(timeout, machine.console().text())),
        }
        Ok(Box::new(machine))
    }

    async fn spawn_shell(&self, spec: ShellSpec) -> Result<Box<dyn Shell>, StartError> {
        let shell = QemuShell::spawn(&self.context, spec).await?;
        Ok(Box::new(shell))
    }

    async fn adopt(&self, spec: AdoptSpec) -> Result<Adopted, AdoptError> {
        let found = find(&self.context, &spec.id, &spec.mark).await?;
        let running = found.running;
        let machine = Box::new(QemuMachine::adopted(found, spec.scratch));
        Ok(Adopted { machine, running })
    }

    async fn end_orphans(&self, keep: &[VmmId]) -> io::Result<Vec<VmmId>> {
        let ended = orphans::end(&self.context.tag, keep)?;
        for entry in std::fs::read_dir(&self.context.run_folder)? {
            let entry = entry?;
            let kept = keep
                .iter()
                .any(|id| entry.file_name().to_str() == Some(id.as_str()));
            if kept {
                continue;
            }
            match std::fs::remove_dir_all(entry.path()) {
                // Its VMM was this engine's own, whose task was quicker.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(ended)
    }

    async fn settled(&self) {
        self.context.tracker.close();
        self.context.tracker.wait().await;
        self.context.tracker.reopen();
    }
}

/// Waits for the agent's first answer, or for the end of the process.
async fn agent_is_up(machine: &QemuMachine) -> Result<(), StartError> {
    let info = Opening {
        wake: None,
        request: Request::Info,
    };
    let guest: &GuestConnection = machine.guest();
    let mut end = machine.end();
    tokio::select! {
        biased;
        end = end.wait() => Err(StartError::Ended(end)),
        answer = guest.call(&info) => match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(match tokio::time::timeout(LAST_WORDS, machine.end().wait()).await {
                Ok(end) => StartError::Ended(end),
                Err(_) => StartError::Guest(error),
            }),
        },
    }
}

/// Memory of a machine that boots: all its own, shared with nobody, kept to be frozen.
fn own_memory(bytes: u64) -> io::Result<File> {
    let file = File::from(memfd_create("thaw-guest", MFdFlags::MFD_CLOEXEC)?);
    file.set_len(bytes)?;
    Ok(file)
}

/// Eight hex digits that stand for a storage root on a command line.
fn tag_of(root: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
    hex::encode(&hash[..4])
}

#[expect(
    clippy::disallowed_methods,
    reason = "this function owns the short process that tells QEMU's version"
)]
async fn version_of(program: &Path) -> io::Result<String> {
    let output = tokio::process::Command::new(program)
        .arg("--version")
        .env_clear()
        .kill_on_drop(true)
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text)
        .ok_or_else(|| io::Error::other(format!("it printed {:?}", text.lines().next())))
}

fn parse_version(text: &str) -> Option<String> {
    let rest = text.strip_prefix("QEMU emulator version ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= (7, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_word_behind_the_name() {
        let text = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright";
        assert_eq!(parse_version(text).as_deref(), Some("7.2.22"));
        assert!(is_new_enough("7.2.0") && is_new_enough("10.0.2") && !is_new_enough("6.2.0"));
    }
}
