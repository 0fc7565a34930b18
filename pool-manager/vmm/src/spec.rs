//! What a VMM is given at its start. Everything is an open descriptor: a VMM needs no paths.

use std::{fmt, fs::File, os::fd::AsFd as _, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thaw_guest_protocol::Handover;
use thaw_lazymem::{
    Arrival, Delta, DirtyError, GuestMemory, PageSource, PlainSource, TemplateMemory,
};
use tokio::sync::oneshot;

use crate::{ProcessMark, kernel::GuestKernel};

/// The name of one VMM process, unique on its node: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VmmId(String);

/// An id that does not match `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Debug, thiserror::Error)]
#[error("an id has 1 to 63 of the characters a-z, 0-9 and '-', and does not start with '-'")]
pub struct BadId;

impl VmmId {
    /// A new id: `prefix-` and 12 random hex digits.
    ///
    /// # Errors
    /// When the kernel gives no random bytes, or `prefix` breaks the form of an id.
    pub fn random(prefix: &str) -> std::io::Result<Self> {
        let mut bytes = [0; 6];
        getrandom::fill(&mut bytes).map_err(std::io::Error::from)?;
        Self::try_from(format!("{prefix}-{}", hex::encode(bytes))).map_err(std::io::Error::other)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VmmId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits =
            (1..=63).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if fits { Ok(Self(text)) } else { Err(BadId) }
    }
}

impl From<VmmId> for String {
    fn from(id: VmmId) -> Self {
        id.0
    }
}

impl fmt::Display for VmmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The size of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shape {
    /// Virtual CPUs, 1 to 32.
    pub vcpus: u8,
    /// Memory in MiB, 128 to 65,536.
    pub memory_mib: u32,
}

impl Shape {
    /// The memory in bytes.
    pub fn memory_bytes(self) -> u64 {
        u64::from(self.memory_mib) << 20
    }
}

/// The file system of a root disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootFs {
    /// What Thaw writes for an image.
    Squashfs,
    /// What a user brought.
    Ext4,
}

/// The root disk of an image: read-only, shared by all its machines.
#[derive(Debug, Clone)]
pub struct RootDisk {
    /// Opened for reading only.
    pub file: Arc<File>,
    /// What the guest mounts it as.
    pub fs: RootFs,
}

/// A machine to boot from nothing.
#[derive(Debug)]
pub struct BootSpec {
    /// The VMM's name.
    pub id: VmmId,
    /// The machine's size.
    pub shape: Shape,
    /// The kernel and its initramfs.
    pub kernel: Arc<GuestKernel>,
    /// The root disk.
    pub root: RootDisk,
    /// The scratch disk: ext4 made by [`ScratchDisk`](crate::ScratchDisk), this machine's own.
    pub scratch: File,
    /// How long the agent may take to answer, from the VMM's start.
    pub boot_timeout: Duration,
}

/// A VMM to spawn ahead of its restore.
#[derive(Debug)]
pub struct ShellSpec {
    /// The VMM's name.
    pub id: VmmId,
    /// The template's shape.
    pub shape: Shape,
    /// The template's memory.
    pub memory: ShellMemory,
    /// The template's root disk.
    pub root: RootDisk,
    /// The scratch disk, of its final length; its content may be filled in until the restore.
    pub scratch: File,
}

/// Where a shell's guest memory comes from. The VMM maps it privately in every case: what the guest
/// writes is its own, what it only reads it shares with the template's other clones.
#[derive(Debug)]
pub enum ShellMemory {
    /// The template's memory is whole: the clone needs nobody any more.
    Whole(Arc<TemplateMemory>),
    /// The template's memory is filled on demand.
    Lazy {
        /// Not mapped without a page server.
        template: Arc<TemplateMemory>,
        /// Gets the VMM's userfaultfd as soon as there is one, which may be before the shell
        /// listens; from then on a page server must answer. Dropped when the VMM gives none.
        arrival: oneshot::Sender<Arrival>,
    },
    /// The template's file itself, [verified](PlainSource::verify); needs no userfaultfd.
    File(Arc<PlainSource>),
}

/// A machine that an earlier daemon left running.
#[derive(Debug)]
pub struct AdoptSpec {
    /// The VMM's name.
    pub id: VmmId,
    /// Which process it is.
    pub mark: ProcessMark,
    /// Its scratch disk.
    pub scratch: File,
}

/// What the private memory of a template's clones differs from.
#[derive(Debug, Clone)]
pub enum BaseMemory {
    /// The template's memory, where shells map [`ShellMemory::Whole`] or [`ShellMemory::Lazy`]. Whole
    /// before anything is written into a clone of it.
    Template(Arc<TemplateMemory>),
    /// The template's file, where they map [`ShellMemory::File`].
    File(Arc<PlainSource>),
}

impl BaseMemory {
    /// Its pages.
    pub fn source(&self) -> &dyn PageSource {
        match self {
            Self::Template(memory) => memory.source().as_ref(),
            Self::File(source) => source.as_ref(),
        }
    }

    /// The memory of the VMM with this pid that maps it privately.
    pub(crate) fn guest_memory(&self, pid: i32) -> Result<GuestMemory, DirtyError> {
        match self {
            Self::Template(memory) => GuestMemory::find(pid, memory.fd(), 0),
            Self::File(source) => {
                GuestMemory::find(pid, source.file().as_fd(), source.data_offset())
            }
        }
    }
}

/// What a running machine was at one moment, without its disk: a shell of the same template goes on from
/// there, as often as one likes.
#[derive(Debug, Clone)]
pub struct MachineSnapshot {
    /// The VMM's device state, as in [`Frozen`].
    pub device_state: Bytes,
    /// What the guest's memory differs by from its template's.
    pub delta: Arc<Delta>,
    /// The word that was left with its agent.
    pub handover: Handover,
}

/// What a machine was when it was frozen, without its disks.
#[derive(Debug)]
pub struct Frozen {
    /// The VMM's device state: opaque, tens of kilobytes, holds no guest memory.
    pub device_state: Bytes,
    /// The guest's memory: a memfd of the shape's size, written by nobody any more.
    pub memory: File,
}
