//! Walks the entries of a tar that lies in a file, without copying what is in them.

use crate::tar::header::{BLOCK, Header};
use crate::tar::pax::Records;
use crate::tar::{Content, Entry, Kind, Meta, Span, TarError, Xattr, sparse};

/// Largest extended header: names are at most 4 KiB, attributes 64 KiB each.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;
/// Largest sum of global records; each entry carries a copy while it is read.
const MAX_GLOBAL_BYTES: u64 = 64 << 10;

/// Whether a tar may lack its two zero blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOfArchive {
    /// A digest vouches for the whole: some builders leave the mark out.
    MarkOptional,
    /// Only the mark shows that nothing was cut off.
    MarkRequired,
}

/// Reads entries one after another.
pub(crate) struct TarReader<'a> {
    span: &'a Span,
    position: u64,
    end: EndOfArchive,
    global: Records,
    global_bytes: u64,
}

/// What preceded an entry and speaks about it.
#[derive(Default)]
struct Extensions {
    records: Records,
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<'a> TarReader<'a> {
    pub(crate) fn new(span: &'a Span, end: EndOfArchive) -> Self {
        Self {
            span,
            position: 0,
            end,
            global: Records::default(),
            global_bytes: 0,
        }
    }

    /// The next entry, or nothing at the end.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut extensions = Extensions {
            records: self.global.clone(),
            ..Extensions::default()
        };
        let mut pending = false;
        let mut extension_bytes = 0;
        loop {
            let offset = self.position;
            let mut block = [0; BLOCK as usize];
            match self.span.read_at(&mut block, offset)? {
                0 if pending => return Err(TarError::Truncated),
                0 if self.end == EndOfArchive::MarkRequired => return Err(TarError::NoEndMark),
                0 => return Ok(None),
                n if n < block.len() => return Err(TarError::Truncated),
                _ => self.position += BLOCK,
            }
            if block.iter().all(|b| *b == 0) {
                return if pending {
                    Err(TarError::Truncated)
                } else {
                    Ok(None)
                };
            }
            let header = Header::parse(&block).ok_or(TarError::BadHeader { offset })?;
            match header.kind() {
                b'x' => {
                    let data = self.extension(&header, offset)?;
                    bound(offset, &mut extension_bytes, &data, MAX_EXTENSION_BYTES)?;
                    let read = extensions.records.extend(&data);
                    read.ok_or_else(|| field(offset, "extended record"))?;
                }
                b'g' => {
                    let data = self.extension(&header, offset)?;
                    bound(offset, &mut self.global_bytes, &data, MAX_GLOBAL_BYTES)?;
                    let read = self.global.extend(&data);
                    read.ok_or_else(|| field(offset, "extended record"))?;
                    extensions.records = self.global.clone();
                }
                b'L' => extensions.long_path = Some(self.long_name(&header, offset)?),
                b'K' => extensions.long_link = Some(self.long_name(&header, offset)?),
                // A volume label names the archive, not a file.
                b'V' => continue,
                _ => return self.entry(&header, extensions, offset).map(Some),
            }
            pending = true;
        }
    }

    fn extension(&mut self, header: &Header<'_>, offset: u64) -> Result<Vec<u8>, TarError> {
        let size = header.size().ok_or_else(|| field(offset, "size"))?;
        if size > MAX_EXTENSION_BYTES {
            return Err(TarError::ExtensionTooLarge {
                offset,
                limit: MAX_EXTENSION_BYTES,
            });
        }
        let mut data = vec![0; size as usize];
        let span = self.take(size)?;
        span.read_at(&mut data, 0)?;
        Ok(data)
    }

    fn long_name(&mut self, header: &Header<'_>, offset: u64) -> Result<Vec<u8>, TarError> {
        let mut name = self.extension(header, offset)?;
        name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
        Ok(name)
    }

    /// The `size` bytes at the position, which then moves to the next block.
    fn take(&mut self, size: u64) -> Result<Span, TarError> {
        let span = self.span.part(self.position, size);
        let span = span.ok_or(TarError::Truncated)?;
        // A last block that is cut short loses padding only.
        self.position += size.next_multiple_of(BLOCK);
        Ok(span)
    }

    fn entry(
        &mut self,
        header: &Header<'_>,
        ext: Extensions,
        offset: u64,
    ) -> Result<Entry, TarError> {
        let records = &ext.records;
        let path = records
            .get("GNU.sparse.name")
            .or_else(|| records.get("path"))
            .map(<[u8]>::to_vec)
            .or(ext.long_path)
            .unwrap_or_else(|| header.path());
        let link = records
            .get("linkpath")
            .map(<[u8]>::to_vec)
            .or(ext.long_link)
            .unwrap_or_else(|| header.link().to_vec());
        let meta = meta(header, records, offset)?;
        let kind = match header.kind() {
            b'0' | 0 | b'7' if path.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' => Kind::File(self.file(header, records, offset)?),
            b'S' => Kind::File(self.old_sparse_file(header, records, offset)?),
            b'1' => Kind::HardLink(link),
            b'2' => Kind::Symlink(link),
            b'3' => {
                let (major, minor) = device(header, offset)?;
                Kind::CharDevice { major, minor }
            }
            b'4' => {
                let (major, minor) = device(header, offset)?;
                Kind::BlockDevice { major, minor }
            }
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                return Err(TarError::UnsupportedType {
                    offset,
                    kind: char::from(other),
                });
            }
        };
        Ok(Entry { path, meta, kind })
    }

    fn file(
        &mut self,
        header: &Header<'_>,
        records: &Records,
        offset: u64,
    ) -> Result<Content, TarError> {
        let data = self.take(size(header, records, offset)?)?;
        let bad = || field(offset, "sparse map");
        let real = |key| records.number(key).flatten();
        if records.get("GNU.sparse.major") == Some(b"1") {
            let real = real("GNU.sparse.realsize").ok_or_else(bad)?;
            let (map, taken) = sparse::leading_map(&data)?.ok_or_else(bad)?;
            let rest = data.part(taken, data.len() - taken).ok_or_else(bad)?;
            return sparse::content(real, &map, &rest, offset);
        }
        if records.get("GNU.sparse.size").is_some() {
            let real = real("GNU.sparse.size").ok_or_else(bad)?;
            let map = sparse::record_map(records).ok_or_else(bad)?;
            return sparse::content(real, &map, &data, offset);
        }
        Ok(Content {
            size: data.len(),
            pieces: vec![(0, data)],
        })
    }

    fn old_sparse_file(
        &mut self,
        header: &Header<'_>,
        records: &Records,
        offset: u64,
    ) -> Result<Content, TarError> {
        let bad = || field(offset, "sparse map");
        let raw = header.bytes();
        let mut map = Vec::new();
        sparse::old_map(raw, 386, 4, &mut map).ok_or_else(bad)?;
        let mut more = raw[482] != 0;
        while more {
            let mut block = [0; BLOCK as usize];
            let part = self.take(BLOCK)?;
            part.read_at(&mut block, 0)?;
            sparse::old_map(&block, 0, 21, &mut map).ok_or_else(bad)?;
            more = block[504] != 0;
        }
        let real = crate::tar::header::number(&raw[483..495]).ok_or_else(bad)?;
        let data = self.take(size(header, records, offset)?)?;
        sparse::content(real, &map, &data, offset)
    }
}

fn bound(offset: u64, bytes: &mut u64, data: &[u8], limit: u64) -> Result<(), TarError> {
    *bytes += data.len() as u64;
    if *bytes > limit {
        return Err(TarError::ExtensionTooLarge { offset, limit });
    }
    Ok(())
}

fn field(offset: u64, field: &'static str) -> TarError {
    TarError::BadField { offset, field }
}

fn size(header: &Header<'_>, records: &Records, offset: u64) -> Result<u64, TarError> {
    let size = records.number("size").unwrap_or_else(|| header.size());
    size.ok_or_else(|| field(offset, "size"))
}

fn device(header: &Header<'_>, offset: u64) -> Result<(u32, u32), TarError> {
    let numbers = header.device().and_then(|(major, minor)| {
        // Linux has 12 bits of major and 20 of minor.
        let (major, minor) = (u32::try_from(major).ok()?, u32::try_from(minor).ok()?);
        (major < 1 << 12 && minor < 1 << 20).then_some((major, minor))
    });
    numbers.ok_or_else(|| field(offset, "device number"))
}

fn meta(header: &Header<'_>, records: &Records, offset: u64) -> Result<Meta, TarError> {
    let id = |key: &'static str, own: Option<u64>| {
        let value = records.number(key).unwrap_or(own);
        let value = value.and_then(|value| u32::try_from(value).ok());
        value.ok_or_else(|| field(offset, key))
    };
    let mode = header.mode().ok_or_else(|| field(offset, "mode"))?;
    let mtime = records.number("mtime").unwrap_or_else(|| header.mtime());
    let mtime = mtime.ok_or_else(|| field(offset, "mtime"))?;
    Ok(Meta {
        mode: (mode & 0o7777) as u16,
        uid: id("uid", header.uid())?,
        gid: id("gid", header.gid())?,
        mtime: u32::try_from(mtime).unwrap_or(u32::MAX),
        xattrs: xattrs(records),
    })
}

/// The attributes that squashfs can hold, without those by which overlayfs would be steered.
fn xattrs(records: &Records) -> Vec<Xattr> {
    let mut found: Vec<Xattr> = Vec::new();
    for (key, value) in records.iter() {
        let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else {
            continue;
        };
        let kept = [&b"user."[..], b"security.", b"trusted."];
        let steering = [&b"user.overlay."[..], b"trusted.overlay."];
        let has = |prefixes: &[&[u8]]| {
            prefixes
                .iter()
                .any(|p| name.starts_with(p) && name.len() > p.len())
        };
        if !has(&kept) || has(&steering) || name.len() > 255 || name.contains(&0) {
            continue;
        }
        found.retain(|(n, _)| **n != *name);
        found.push((name.into(), value.into()));
    }
    found.sort();
    found
}
