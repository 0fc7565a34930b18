//! What one tar entry says.

use crate::tar::Span;

/// An extended attribute: name and value.
pub(crate) type Xattr = (Box<[u8]>, Box<[u8]>);

/// Ownership, permissions, time and extended attributes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    /// Permission bits with setuid, setgid and sticky: 0o7777 at most.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970; squashfs has no more bits.
    pub(crate) mtime: u32,
    /// Sorted by name.
    pub(crate) xattrs: Vec<Xattr>,
}

/// The bytes of a file: pieces in ascending order, zeroes between them.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// Offset in the file and the bytes there.
    pub(crate) pieces: Vec<(u64, Span)>,
}

/// What an entry makes.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    File(Content),
    Directory,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

/// One entry, its path as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) meta: Meta,
    pub(crate) kind: Kind,
}
