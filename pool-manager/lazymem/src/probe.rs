//! What this host permits, and which way of loading memory follows from it.

use std::{fmt, fs::File, io, os::fd::AsFd as _};

use serde::{Deserialize, Serialize};

use crate::sys;

/// The device that gives userfaultfds to those who may open it (Linux 6.1).
pub(crate) const DEVICE: &str = "/dev/userfaultfd";
/// `UFFD_FEATURE_MISSING_SHMEM` and `UFFD_FEATURE_MINOR_SHMEM` (Linux 5.14).
const FEATURES: u64 = 1 << 5 | 1 << 10;
/// The bit of CAP_SYS_PTRACE in a set of capabilities (capabilities(7)).
const CAP_SYS_PTRACE: u32 = 19;

/// Whether one thing is possible, and why (not).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ability {
    /// Whether it is.
    pub possible: bool,
    /// One line for people.
    pub reason: String,
}

/// What this host permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Userfaultfd with minor faults on shared memory, through the device, which a VMM without
    /// privileges can inherit.
    pub userfaultfd_device: Ability,
    /// The same by the system call, for a VMM that has the privileges itself.
    pub userfaultfd_syscall: Ability,
    /// Dirty pages through `PAGEMAP_SCAN` (Linux 6.7); without it they are found more slowly.
    pub pagemap_scan: Ability,
    /// Reading and writing the memory of VMMs of other users: snapshots and forks.
    pub trace_others: Ability,
}

/// `memory` in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryConfig {
    /// Userfaultfd, or an error.
    Uffd,
    /// Private mappings of the template's file.
    File,
    /// Userfaultfd where it is permitted.
    #[default]
    Auto,
}

/// How templates are loaded on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryMode {
    /// Filled on demand by the page server, and shared.
    Uffd,
    /// Mapped privately from the template's file by the kernel.
    File,
}

/// Why a mode was chosen, as one of a few values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceCause {
    /// The configuration says so.
    Configured,
    /// Userfaultfd is permitted.
    Permitted,
    /// Userfaultfd is not permitted.
    NotPermitted,
}

impl ChoiceCause {
    /// Its name: `configured`, `permitted` or `not_permitted`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Permitted => "permitted",
            Self::NotPermitted => "not_permitted",
        }
    }
}

/// The mode and why it was chosen, for `doctor` and for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryChoice {
    /// The mode.
    pub mode: MemoryMode,
    /// Why, for programs.
    pub cause: ChoiceCause,
    /// Why, in one line for people.
    pub reason: String,
}

/// `memory = "uffd"` where it can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("memory = \"uffd\" is not possible here: {reason}; set memory = \"auto\" or \"file\"")]
pub struct UffdNotPermitted {
    /// What is missing.
    pub reason: String,
}

/// Finds out by trying. Leaves nothing behind.
pub fn probe() -> Abilities {
    Abilities {
        userfaultfd_device: ability(
            by_device(),
            "/dev/userfaultfd gives minor faults on shared memory",
            "/dev/userfaultfd can't be used (Linux 6.1 or later; run the daemon as root, or give its user the device)",
        ),
        userfaultfd_syscall: ability(
            sys::from_syscall(FEATURES).map(drop),
            "userfaultfd(2) gives minor faults on shared memory",
            "userfaultfd(2) is not permitted (CAP_SYS_PTRACE, or vm.unprivileged_userfaultfd=1)",
        ),
        pagemap_scan: ability(
            sys::try_pagemap_scan(),
            "the kernel scans page maps",
            "the kernel can't scan page maps (Linux 6.7); dirty pages are found more slowly",
        ),
        trace_others: trace_others(),
    }
}

impl Abilities {
    /// Chooses how templates are loaded. A userfaultfd that only catches faults of user mode is
    /// never used: it passes the easy tests and then corrupts what the kernel reads from disks.
    ///
    /// # Errors
    /// When userfaultfd is demanded and not permitted.
    pub fn choose(&self, config: MemoryConfig) -> Result<MemoryChoice, UffdNotPermitted> {
        let device = &self.userfaultfd_device;
        let cause = match config {
            MemoryConfig::File | MemoryConfig::Uffd => ChoiceCause::Configured,
            MemoryConfig::Auto if device.possible => ChoiceCause::Permitted,
            MemoryConfig::Auto => ChoiceCause::NotPermitted,
        };
        let (mode, reason) = match (config, device.possible) {
            (MemoryConfig::File, _) => {
                let reason = "memory = \"file\" is configured".to_owned();
                (MemoryMode::File, reason)
            }
            (MemoryConfig::Uffd | MemoryConfig::Auto, true) => {
                (MemoryMode::Uffd, device.reason.clone())
            }
            (MemoryConfig::Auto, false) => {
                let reason = format!("no userfaultfd: {}", device.reason);
                (MemoryMode::File, reason)
            }
            (MemoryConfig::Uffd, false) => {
                return Err(UffdNotPermitted {
                    reason: device.reason.clone(),
                });
            }
        };
        Ok(MemoryChoice {
            mode,
            cause,
            reason,
        })
    }
}

impl fmt::Display for MemoryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uffd => "uffd",
            Self::File => "file",
        })
    }
}

fn by_device() -> io::Result<()> {
    let device = File::options().read(true).write(true).open(DEVICE)?;
    sys::from_device(device.as_fd(), FEATURES).map(drop)
}

fn ability(tried: io::Result<()>, works: &str, does_not: &str) -> Ability {
    match tried {
        Ok(()) => Ability {
            possible: true,
            reason: works.to_owned(),
        },
        Err(error) => Ability {
            possible: false,
            reason: format!("{does_not}: {error}"),
        },
    }
}

/// Whether the effective set has CAP_SYS_PTRACE. Containers often drop it, root or not.
fn trace_others() -> Ability {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let possible = effective(&status).is_some_and(|set| set & (1 << CAP_SYS_PTRACE) != 0);
    let reason = if possible {
        "CAP_SYS_PTRACE is held: running VMs can be snapshotted and forked"
    } else {
        "CAP_SYS_PTRACE is missing: VMs that run as other users than the daemon can't be snapshotted or forked; run the daemon as root, or its container with --cap-add SYS_PTRACE"
    };
    Ability {
        possible,
        reason: reason.to_owned(),
    }
}

fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abilities(device: bool) -> Abilities {
        let ability = |possible| Ability {
            possible,
            reason: "because".to_owned(),
        };
        Abilities {
            userfaultfd_device: ability(device),
            userfaultfd_syscall: ability(true),
            pagemap_scan: ability(true),
            trace_others: ability(true),
        }
    }

    #[test]
    fn auto_takes_userfaultfd_where_it_is_permitted_and_the_file_where_not() {
        let chosen = |device| {
            let choice = abilities(device).choose(MemoryConfig::Auto).unwrap();
            (choice.mode, choice.cause)
        };
        assert_eq!(chosen(true), (MemoryMode::Uffd, ChoiceCause::Permitted));
        assert_eq!(chosen(false), (MemoryMode::File, ChoiceCause::NotPermitted));
    }

    #[test]
    fn what_is_configured_is_done_or_refused() {
        let file = abilities(true).choose(MemoryConfig::File).unwrap();
        assert_eq!(file.mode, MemoryMode::File);
        assert_eq!(file.cause, ChoiceCause::Configured);
        let uffd = abilities(true).choose(MemoryConfig::Uffd).unwrap();
        assert_eq!(uffd.cause, ChoiceCause::Configured);
        let error = abilities(false).choose(MemoryConfig::Uffd).unwrap_err();
        assert!(error.to_string().contains("because"), "{error}");
    }

    #[test]
    fn a_set_of_capabilities_is_read_from_the_status() {
        assert_eq!(
            effective("Name:\tx\nCapEff:\t0000000000080000\n"),
            Some(1 << 19)
        );
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn the_probe_gives_reasons() {
        let found = probe();
        for ability in [
            &found.userfaultfd_device,
            &found.userfaultfd_syscall,
            &found.pagemap_scan,
            &found.trace_others,
        ] {
            assert!(!ability.reason.is_empty());
        }
    }
}
