//! What can be done with a guest's files.

use serde::{Deserialize, Serialize};

use crate::GuestPath;

/// An operation on files. Paths are absolute; the agent acts as root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOperation {
    /// Look at a file, folder or link (a link itself); replies [`Reply::File`](crate::Reply::File).
    Stat {
        /// What to look at.
        path: GuestPath,
    },
    /// List a folder in the order of its names' bytes: `Begun` with the folder, `Data` frames that are each a
    /// JSON array of [`FileInfo`], and [`Reply::Listed`](crate::Reply::Listed).
    List {
        /// The folder.
        path: GuestPath,
        /// Only names that come after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<GuestPath>,
        /// How many entries at most.
        limit: u32,
    },
    /// Read a file: `Begun` with [`Reply::Content`](crate::Reply::Content), its bytes as `Data`, then
    /// [`Reply::Done`](crate::Reply::Done).
    Read {
        /// The file; links are followed.
        path: GuestPath,
        /// Where to begin.
        #[serde(default)]
        offset_bytes: u64,
        /// How much to read; all that follows when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length_bytes: Option<u64>,
        /// Read the last so many bytes instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_bytes: Option<u64>,
    },
    /// Write a file out of the host's `Data` up to its `DataEnd`; replies [`Reply::File`](crate::Reply::File).
    /// A file is replaced in one step when all of it is there; a host that leaves earlier changes nothing.
    Write {
        /// The file; links are followed.
        path: GuestPath,
        /// Its permission bits; those of the file that is there, else 0644, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
        /// Add to what is there.
        #[serde(default)]
        append: bool,
        /// Make missing folders on the way.
        #[serde(default)]
        parents: bool,
    },
    /// Make a folder; replies [`Reply::File`](crate::Reply::File).
    MakeDirectory {
        /// The folder.
        path: GuestPath,
        /// Make missing folders on the way, and be content with one that is there.
        #[serde(default)]
        parents: bool,
        /// Its permission bits; 0755 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    /// Move a file or folder, across file systems if need be; replies [`Reply::File`](crate::Reply::File).
    Move {
        /// What to move.
        from: GuestPath,
        /// Its new path.
        to: GuestPath,
        /// Replace what is there.
        #[serde(default)]
        overwrite: bool,
    },
    /// Remove a file, link or folder; replies [`Reply::Done`](crate::Reply::Done).
    Remove {
        /// What to remove.
        path: GuestPath,
        /// With everything in it.
        #[serde(default)]
        recursive: bool,
    },
    /// Pack a folder, or one file, as a tar archive: `Begun`, the archive as `Data`, then
    /// [`Reply::Done`](crate::Reply::Done). File systems mounted below are left out.
    Pack {
        /// What to pack. A folder's entries are named from inside it, a file by its name.
        path: GuestPath,
    },
    /// Unpack the tar archive in the host's `Data` into a folder, which is made where it is missing; replies
    /// [`Reply::File`](crate::Reply::File). Each file is replaced in one step.
    Unpack {
        /// The folder.
        path: GuestPath,
    },
}

/// A file, folder or other entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// The last part of its path.
    pub name: GuestPath,
    /// What it is.
    pub kind: FileKind,
    /// Its length; of a link, that of its target's path.
    pub size_bytes: u64,
    /// Its permission bits (07777).
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When its content was last changed, nanoseconds since 1970-01-01 UTC of the guest's clock.
    pub modified_ns: i64,
    /// Where a link leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<GuestPath>,
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}
