//! Files inside a VM.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// A file, folder or other entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileInfo {
    /// The last part of its path; bytes that are not UTF-8 become U+FFFD.
    pub name: String,
    /// The name as standard base64, only when it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_base64: Option<String>,
    /// What it is.
    pub kind: FileKind,
    /// Its length; of a link, that of its target's path.
    pub size_bytes: u64,
    /// Its permissions in octal, such as `0644`.
    #[schema(example = "0644")]
    pub mode: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When its content was last changed, milliseconds since 1970-01-01 UTC of the VM's clock.
    pub modified_ms: i64,
    /// Where a link leads; bytes that are not UTF-8 become U+FFFD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The target as standard base64, only when it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_base64: Option<String>,
}

/// A file, and the entries of a folder in the order of their names' bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileListing {
    /// What the path names.
    pub file: FileInfo,
    /// Its entries; absent when it is no folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<FileInfo>>,
    /// There are more entries: ask again with `after` set to the last name.
    #[serde(default)]
    pub more: bool,
}

/// A folder to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeDirectoryRequest {
    /// Its absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its absolute path as standard base64, for paths that are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// Make missing folders on the way, and be content with one that is there.
    #[serde(default)]
    pub parents: bool,
    /// Its permissions in octal; `0755` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// A file or folder to move.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveFileRequest {
    /// Its absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The same as standard base64, for paths that are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_base64: Option<String>,
    /// Its new absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The same as standard base64, for paths that are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_base64: Option<String>,
    /// Replace what is there.
    #[serde(default)]
    pub overwrite: bool,
}
