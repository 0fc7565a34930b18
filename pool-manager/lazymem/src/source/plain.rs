//! Frozen memory in a plain sparse file.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use super::{
    PageSource, SourceError,
    format::{Entry, Header, Kind, checksum, extents, read_index, runs},
};
use crate::extent::{CHUNK_BYTES, Extent, chunk_extent};

/// A file that [`SparseWriter`](super::SparseWriter) wrote, verified by chunk as it is read.
#[derive(Debug)]
pub struct PlainSource {
    file: File,
    header: Header,
    entries: Box<[Entry]>,
    extents: Vec<Extent>,
}

impl PlainSource {
    /// Takes an open file, checks its header, its table and its length.
    ///
    /// The pages themselves are checked when they are read.
    ///
    /// # Errors
    /// When the file can't be read, is no frozen memory, is of another version, damaged or cut short.
    pub fn open(file: File) -> Result<Self, SourceError> {
        let (header, entries) = read_index(Kind::Plain, &file)?;
        let extents = extents(entries.iter().map(|entry| entry.pages), header.len_bytes);
        Ok(Self {
            file,
            header,
            entries,
            extents,
        })
    }

    /// Where the guest's memory starts in the file, in bytes, page aligned: from here the file can be
    /// mapped privately. Whoever does that gives up the checksums.
    pub fn data_offset(&self) -> u64 {
        self.header.data_offset
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    fn read_chunk(&self, chunk: u64, bytes: &mut [u8]) -> Result<(), SourceError> {
        let Entry {
            checksum: expected,
            pages,
            ..
        } = self.entries[chunk as usize];
        let start = chunk * CHUNK_BYTES;
        if pages != u16::MAX {
            bytes.fill(0);
        }
        for run in runs(chunk, pages, self.header.len_bytes) {
            let from = (run.offset - start) as usize;
            self.file
                .read_exact_at(
                    &mut bytes[from..from + run.len as usize],
                    self.header.data_offset + run.offset,
                )
                .map_err(|source| self.failed_read(source))?;
        }
        if pages != 0 && checksum(bytes) != expected {
            return Err(SourceError::Checksum { chunk });
        }
        Ok(())
    }

    /// A file that was cut after it was opened is told apart from a disk that fails.
    fn failed_read(&self, source: io::Error) -> SourceError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return SourceError::Truncated {
                expected: self.header.data_offset + self.header.len_bytes,
                found: self.file.metadata().map_or(0, |data| data.len()),
            };
        }
        SourceError::Io {
            what: "read the pages",
            source,
        }
    }
}

impl PageSource for PlainSource {
    fn len_bytes(&self) -> u64 {
        self.header.len_bytes
    }

    fn data_extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        read_by_chunk(self.header.len_bytes, offset, buf, |chunk, bytes| {
            self.read_chunk(chunk, bytes)
        })
    }
}

/// Serves any range from a function that reads one whole chunk.
pub(super) fn read_by_chunk(
    len_bytes: u64,
    offset: u64,
    buf: &mut [u8],
    read_chunk: impl Fn(u64, &mut [u8]) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let wanted = Extent {
        offset,
        len: buf.len() as u64,
    };
    if wanted.end() > len_bytes || offset.checked_add(wanted.len).is_none() {
        return Err(SourceError::OutOfRange {
            offset,
            len: wanted.len,
        });
    }
    let mut aside = Vec::new();
    let mut at = offset;
    while at < wanted.end() {
        let chunk = at / CHUNK_BYTES;
        let extent = chunk_extent(chunk, len_bytes);
        let end = extent.end().min(wanted.end());
        let into = &mut buf[(at - offset) as usize..(end - offset) as usize];
        if into.len() as u64 == extent.len {
            read_chunk(chunk, into)?;
        } else {
            aside.resize(extent.len as usize, 0);
            read_chunk(chunk, &mut aside)?;
            let from = (at - extent.offset) as usize;
            into.copy_from_slice(&aside[from..from + into.len()]);
        }
        at = end;
    }
    Ok(())
}
