//! Sets the time of a squashfs's root directory.
//!
//! sqfstar 4.5 takes `-root-time` and writes the current time all the same, so equal trees would give different files.
//! Format: Linux, Documentation/filesystems/squashfs.rst and fs/squashfs/squashfs_fs.h.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the superblock says which inode is the root, and where the inodes begin.
const ROOT_INODE_AT: u64 = 32;
const INODE_TABLE_AT: u64 = 64;
/// Every metadata block begins with its length; the highest bit says that it is not compressed.
const LENGTH_BYTES: u64 = 2;
const UNCOMPRESSED: u16 = 0x8000;
/// What a full metadata block holds.
const BLOCK_BYTES: u64 = 8192;
/// Where the modification time lies in an inode.
const MTIME_AT: u64 = 8;

/// Writes `mtime` (seconds since 1970) into the root directory of `squashfs`, whose inodes are not compressed.
pub(crate) fn set_root_time(squashfs: &Path, mtime: u32) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(squashfs)?;
    let u64_at = |offset| -> io::Result<u64> {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(u64::from_le_bytes(bytes))
    };
    let root = u64_at(ROOT_INODE_AT)?;
    let block = u64_at(INODE_TABLE_AT)?.saturating_add(root >> 16);
    for (at, byte) in (MTIME_AT..).zip(mtime.to_le_bytes()) {
        // An inode may begin in one block and go on in the next.
        let inside = (root & 0xffff) + at;
        let full = LENGTH_BYTES + BLOCK_BYTES;
        let block = block.saturating_add(inside / BLOCK_BYTES * full);
        let mut length = [0; 2];
        file.read_exact_at(&mut length, block)?;
        if u16::from_le_bytes(length) & UNCOMPRESSED == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        file.write_all_at(&[byte], block + LENGTH_BYTES + inside % BLOCK_BYTES)?;
    }
    Ok(())
}
