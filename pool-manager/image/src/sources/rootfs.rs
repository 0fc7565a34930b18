//! `rootfs:`: a tar of a root filesystem, or a filesystem that is taken as it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use nix::unistd::{Whence, lseek};

use crate::error::AddError;
use crate::image::{ImageConfig, RootFs};
use crate::sources::{LayerBlob, Root, RootFsError, Upload, apply_layers};
use crate::tar::Span;
use crate::work::{ROOT_FILE, Work};

/// Reads the upload. Blocks.
pub(crate) fn rootfs(work: &Work, upload: &Upload) -> Result<Root, AddError> {
    let file = File::open(&upload.path).map_err(RootFsError::Read)?;
    let data = Span::whole(file).map_err(RootFsError::Read)?;
    if let Some((fs, needed)) = filesystem(&data).map_err(RootFsError::Read)? {
        if needed > data.len() {
            return Err(AddError::RootFs(RootFsError::Truncated {
                kind: fs.as_str(),
                needed,
                found: data.len(),
            }));
        }
        if data.len() > work.limits.max_root_bytes {
            return Err(AddError::RootFs(RootFsError::TooLarge {
                limit: work.limits.max_root_bytes,
            }));
        }
        let path = work.folder().join(ROOT_FILE);
        copy_sparse(work, &upload.path, &path)?;
        return Ok(Root::File(fs));
    }
    let layers = vec![LayerBlob {
        data,
        diff_id: None,
    }];
    let tree = apply_layers(work, layers)?;
    if tree
        .children(tree.root())
        .is_none_or(|children| children.is_empty())
    {
        return Err(AddError::RootFs(RootFsError::Empty));
    }
    Ok(Root::Tree(tree, ImageConfig::default()))
}

/// Which filesystem this is and how many bytes its superblock claims, or nothing.
///
/// ext4: Linux, Documentation/filesystems/ext4/super.rst: magic at 1024 + 0x38, blocks at 0x4 and 0x150, block size at 0x18,
/// the 64-bit feature at 0x60. squashfs: Documentation/filesystems/squashfs.rst: magic at 0, bytes used at 40.
fn filesystem(data: &Span) -> io::Result<Option<(RootFs, u64)>> {
    let mut head = [0; 2048];
    let n = data.read_at(&mut head, 0)?;
    let u32_at = |at: usize| {
        let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
        u64::from(u32::from_le_bytes(bytes))
    };
    if n == head.len() && head[1080..1082] == [0x53, 0xef] {
        let wide = u32_at(1024 + 0x60) & 0x80 != 0;
        let high = if wide { u32_at(1024 + 0x150) } else { 0 };
        let blocks = high << 32 | u32_at(1024 + 0x4);
        let block_bytes = 1024u64
            .checked_shl(u32_at(1024 + 0x18).min(16) as u32)
            .unwrap_or(u64::MAX);
        return Ok(Some((RootFs::Ext4, blocks.saturating_mul(block_bytes))));
    }
    if n >= 96 && &head[..4] == b"hsqs" {
        return Ok(Some((RootFs::Squashfs, u32_at(44) << 32 | u32_at(40))));
    }
    Ok(None)
}

/// Copies the data of `from` and leaves its holes out.
fn copy_sparse(work: &Work, from: &Path, to: &Path) -> Result<(), RootFsError> {
    let source = File::open(from).map_err(RootFsError::Read)?;
    let len = source.metadata().map_err(RootFsError::Read)?.len();
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .map_err(RootFsError::Read)?;
    out.set_len(len).map_err(RootFsError::Read)?;
    let data =
        Span::whole(source.try_clone().map_err(RootFsError::Read)?).map_err(RootFsError::Read)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < len {
        let (start, end) = match next_data(&source, at, len).map_err(RootFsError::Read)? {
            Some(extent) => extent,
            None => break,
        };
        out.seek(SeekFrom::Start(start))
            .map_err(RootFsError::Read)?;
        at = start;
        while at < end {
            if work.cancelled.is_set() {
                return Err(RootFsError::Cancelled);
            }
            let want = (end - at).min(buffer.len() as u64) as usize;
            let n = data
                .read_at(&mut buffer[..want], at)
                .map_err(RootFsError::Read)?;
            if n == 0 {
                return Err(RootFsError::Read(io::ErrorKind::UnexpectedEof.into()));
            }
            out.write_all(&buffer[..n]).map_err(RootFsError::Read)?;
            at += n as u64;
        }
    }
    Ok(())
}

/// The next extent of data at or after `at`; where the filesystem cannot tell, all that is left.
fn next_data(file: &File, at: u64, len: u64) -> io::Result<Option<(u64, u64)>> {
    let offset = i64::try_from(at).map_err(io::Error::other)?;
    let start = match lseek(file, offset, Whence::SeekData) {
        Ok(start) => start,
        Err(nix::errno::Errno::ENXIO) => return Ok(None),
        Err(nix::errno::Errno::EINVAL) => return Ok(Some((at, len))),
        Err(e) => return Err(e.into()),
    };
    let end = lseek(file, start, Whence::SeekHole)?;
    Ok(Some((start as u64, end as u64)))
}
