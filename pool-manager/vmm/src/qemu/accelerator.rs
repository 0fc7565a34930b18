//! Whether this host's KVM runs an ordinary guest. A /dev/kvm that exists may still be one that can't,
//! so it is tried, with a bound.

use std::{
    fmt, io,
    os::fd::AsRawFd as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use super::engine::PROGRAM;
use crate::{GuestKernel, tools};

/// How long the trial guest may take to come to its end. On hardware it takes a fraction of a second.
const TRIAL: Duration = Duration::from_secs(4);

/// How guest code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// Hardware virtualisation.
    Kvm,
    /// QEMU's software emulation: for development and trusted code.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        })
    }
}

/// What was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceleratorChoice {
    /// How guest code runs.
    pub accelerator: Accelerator,
    /// For people.
    pub reason: String,
}

/// Chooses KVM if a guest's kernel comes through its start under it, else software emulation.
///
/// The trial starts the kernel without any root file system: a sound KVM takes it to the panic that says
/// so, and QEMU exits; on an unsound one it hangs or dies before.
pub async fn choose_accelerator(kernel: &GuestKernel) -> AcceleratorChoice {
    let (accelerator, reason) = match try_kvm(kernel).await {
        Ok(took) => (
            Accelerator::Kvm,
            format!("/dev/kvm ran a trial guest in {} ms", took.as_millis()),
        ),
        Err(reason) => (Accelerator::Tcg, format!("software emulation: {reason}")),
    };
    AcceleratorChoice {
        accelerator,
        reason,
    }
}

async fn try_kvm(kernel: &GuestKernel) -> Result<Duration, String> {
    if !Path::new("/dev/kvm").exists() {
        return Err(
            "there is no /dev/kvm (modprobe kvm_intel or kvm_amd; inside a VM, its host must allow nested virtualisation)"
                .to_owned(),
        );
    }
    let begin = Instant::now();
    let console = match tokio::time::timeout(TRIAL, run_trial(kernel)).await {
        Err(_) => {
            return Err(format!(
                "/dev/kvm is there, but a trial guest did not start within {} s under it",
                TRIAL.as_secs()
            ));
        }
        Ok(Err(error)) => return Err(format!("/dev/kvm could not be tried: {error}")),
        Ok(Ok(console)) => console,
    };
    if console.contains("Kernel panic") {
        Ok(begin.elapsed())
    } else {
        Err("/dev/kvm is there, but a trial guest died under it".to_owned())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this function owns the trial process; it is killed when the future is dropped"
)]
async fn run_trial(kernel: &GuestKernel) -> io::Result<String> {
    let program =
        tools::find(PROGRAM).ok_or_else(|| io::Error::other("qemu-system-x86_64 is missing"))?;
    // The kernel lies in a memory file; the child reads it through our descriptor table.
    let image = format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        kernel.image().as_raw_fd()
    );
    let mut child = tokio::process::Command::new(program)
        .args(["-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio"])
        .args(["-machine", "microvm,acpi=on,pit=on,pic=on,rtc=on"])
        .args([
            "-accel", "kvm", "-cpu", "host", "-m", "128M", "-kernel", &image,
        ])
        .args(["-append", "console=ttyS0 panic=-1 reboot=t"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut console = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(1 << 20).read_to_end(&mut console).await?;
    }
    child.wait().await?;
    Ok(String::from_utf8_lossy(&console).into_owned())
}
