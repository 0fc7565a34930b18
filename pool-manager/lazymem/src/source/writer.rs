//! Writes frozen memory into a sparse file.

use std::{fs::File, os::unix::fs::FileExt as _};

use super::{
    WriteError,
    format::{Entry, Header, Kind, checksum, length_fits, pages_with_data, runs, write_index},
};
use crate::extent::{CHUNK_BYTES, chunk_count, chunk_extent};

/// Writes the memory of a frozen guest into a file that [`PlainSource`](super::PlainSource) reads.
#[derive(Debug)]
pub struct SparseWriter {
    out: File,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The guest's memory in bytes.
    pub len_bytes: u64,
    /// The part of it that is not zero pages, in bytes.
    pub data_bytes: u64,
    /// What the file takes on disk at most, in bytes.
    pub disk_bytes: u64,
}

impl SparseWriter {
    /// Will write into `out`, an empty file that is open for writing.
    pub fn new(out: File) -> Self {
        Self { out }
    }

    /// Copies `len_bytes` of `memory` that nobody writes any more, and gives the file back.
    ///
    /// The header comes last, so a file that was left half-made is refused. Blocks for about a
    /// second per GiB of data; does not sync, which is for whoever makes the folder durable.
    ///
    /// # Errors
    /// When the memory can't be read or is shorter than `len_bytes`, when the disk is full, or the
    /// length is not a guest's. The file is then of no use.
    pub fn write(self, memory: &File, len_bytes: u64) -> Result<(File, Written), WriteError> {
        if !length_fits(len_bytes) {
            return Err(WriteError::Length(len_bytes));
        }
        let data_offset = Header::data_offset(Kind::Plain, len_bytes);
        self.out
            .set_len(0)
            .and_then(|()| self.out.set_len(data_offset + len_bytes))
            .map_err(WriteError::io("set the length"))?;
        let mut entries = vec![Entry::default(); chunk_count(len_bytes) as usize];
        let mut buffer = vec![0; CHUNK_BYTES as usize];
        let mut data_bytes = 0;
        for (chunk, entry) in entries.iter_mut().enumerate() {
            let extent = chunk_extent(chunk as u64, len_bytes);
            let bytes = &mut buffer[..extent.len as usize];
            memory
                .read_exact_at(bytes, extent.offset)
                .map_err(WriteError::io("read the frozen guest for a file"))?;
            entry.pages = pages_with_data(bytes);
            if entry.pages == 0 {
                continue;
            }
            entry.checksum = checksum(bytes);
            for run in runs(chunk as u64, entry.pages, len_bytes) {
                let start = (run.offset - extent.offset) as usize;
                self.out
                    .write_all_at(
                        &bytes[start..start + run.len as usize],
                        data_offset + run.offset,
                    )
                    .map_err(WriteError::io("write the pages"))?;
                data_bytes += run.len;
            }
        }
        write_index(Kind::Plain, &self.out, len_bytes, &entries)?;
        let written = Written {
            len_bytes,
            data_bytes,
            disk_bytes: data_offset + data_bytes,
        };
        Ok((self.out, written))
    }
}
