//! The plain format on disk, little endian:
//!
//! ```text
//! 0      magic "THAWMEM\0", version u32, reserved u32, length u64, data offset u64,
//!        checksum of the table u64, checksum of the bytes before u64, zeros to 4096
//! 4096   table: one entry of 16 bytes a chunk: checksum u64, page mask u16, zeros
//! data   page aligned, sparse: guest offset g lies at data offset + g
//! ```
//!
//! The compressed format is the same with the magic "THAWZMEM" and a table of 24 bytes a chunk:
//! checksum u64, offset in the file u64, compressed length u32, page mask u16, zeros. Its chunks are
//! zstd frames, one after the other from the data offset on.
//!
//! The mask says which of a chunk's pages were written; the others are zero and are never read, so a
//! copy that fills holes or a file system without holes changes nothing. A checksum covers the whole
//! chunk, its zero pages too. Checksums are XXH3 with 64 bits: they find accidents, at memory
//! speed; whoever can write the file can write its checksums.

use std::{fs::File, os::unix::fs::FileExt as _};

use twox_hash::XxHash3_64;

use super::{SourceError, WriteError};
use crate::extent::{CHUNK_BYTES, Extent, PAGE_BYTES, append, chunk_count, chunk_extent};

/// The version that is written and read.
pub(super) const VERSION: u32 = 1;
/// The header's length in bytes, and where the table starts.
pub(super) const HEADER_BYTES: u64 = 4096;
/// The longest memory that is accepted, in bytes; it bounds the table.
pub(super) const MAX_LEN_BYTES: u64 = 1 << 40;

const HEADER_USED: usize = 48;

/// Which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Compressed,
}

impl Kind {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Plain => *b"THAWMEM\0",
            Self::Compressed => *b"THAWZMEM",
        }
    }

    fn entry_bytes(self) -> usize {
        match self {
            Self::Plain => 16,
            Self::Compressed => 24,
        }
    }
}

/// What is known of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Entry {
    pub(super) checksum: u64,
    /// Bit n is set when the chunk's page n was written.
    pub(super) pages: u16,
    /// Where its frame lies in the file, and how long it is in bytes; compressed only.
    pub(super) offset: u64,
    pub(super) frame_bytes: u32,
}

/// The header as it was read, before the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    kind: Kind,
    pub(super) len_bytes: u64,
    pub(super) data_offset: u64,
    table_checksum: u64,
}

pub(super) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// Whether a guest can have that much memory.
pub(super) fn length_fits(len_bytes: u64) -> bool {
    len_bytes > 0 && len_bytes <= MAX_LEN_BYTES && len_bytes.is_multiple_of(PAGE_BYTES)
}

impl Header {
    pub(super) fn of(kind: Kind, len_bytes: u64, table: &[u8]) -> Self {
        Self {
            kind,
            len_bytes,
            data_offset: Self::data_offset(kind, len_bytes),
            table_checksum: checksum(table),
        }
    }

    /// Where the data starts in a file for that much memory.
    pub(super) fn data_offset(kind: Kind, len_bytes: u64) -> u64 {
        let table = chunk_count(len_bytes) * kind.entry_bytes() as u64;
        HEADER_BYTES + table.next_multiple_of(PAGE_BYTES)
    }

    /// The length of the table in bytes.
    pub(super) fn table_bytes(self) -> usize {
        chunk_count(self.len_bytes) as usize * self.kind.entry_bytes()
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        bytes.extend_from_slice(&self.kind.magic());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&self.len_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.data_offset.to_le_bytes());
        bytes.extend_from_slice(&self.table_checksum.to_le_bytes());
        let own = checksum(&bytes);
        bytes.extend_from_slice(&own.to_le_bytes());
        bytes.resize(HEADER_BYTES as usize, 0);
        bytes
    }

    /// Reads a header and checks it against the file's length.
    pub(super) fn decode(kind: Kind, bytes: &[u8], file_bytes: u64) -> Result<Self, SourceError> {
        if !bytes.starts_with(&kind.magic()) {
            return Err(SourceError::NotMemory);
        }
        if bytes.len() < HEADER_USED {
            return Err(SourceError::Truncated {
                expected: HEADER_BYTES,
                found: file_bytes,
            });
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(SourceError::Version {
                found: version,
                known: VERSION,
            });
        }
        let header = Self {
            kind,
            len_bytes: u64_at(bytes, 16),
            data_offset: u64_at(bytes, 24),
            table_checksum: u64_at(bytes, 32),
        };
        let whole = checksum(&bytes[..40]) == u64_at(bytes, 40)
            && length_fits(header.len_bytes)
            && header.data_offset == Self::data_offset(kind, header.len_bytes);
        if !whole {
            return Err(SourceError::Damaged { what: "header" });
        }
        let expected = match kind {
            Kind::Plain => header.data_offset + header.len_bytes,
            // What lies behind the table is known from the table.
            Kind::Compressed => header.data_offset,
        };
        if file_bytes < expected {
            return Err(SourceError::Truncated {
                expected,
                found: file_bytes,
            });
        }
        Ok(header)
    }

    pub(super) fn decode_table(self, bytes: &[u8]) -> Result<Vec<Entry>, SourceError> {
        if checksum(bytes) != self.table_checksum {
            return Err(SourceError::Damaged {
                what: "table of chunks",
            });
        }
        let kind = self.kind;
        let entries = bytes
            .chunks_exact(kind.entry_bytes())
            .map(|entry| match kind {
                Kind::Plain => Entry {
                    checksum: u64_at(entry, 0),
                    pages: u16::from_le_bytes([entry[8], entry[9]]),
                    ..Entry::default()
                },
                Kind::Compressed => Entry {
                    checksum: u64_at(entry, 0),
                    offset: u64_at(entry, 8),
                    frame_bytes: u32_at(entry, 16),
                    pages: u16::from_le_bytes([entry[20], entry[21]]),
                },
            });
        Ok(entries.collect())
    }
}

pub(super) fn encode_table(kind: Kind, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * kind.entry_bytes());
    for entry in entries {
        bytes.extend_from_slice(&entry.checksum.to_le_bytes());
        if kind == Kind::Compressed {
            bytes.extend_from_slice(&entry.offset.to_le_bytes());
            bytes.extend_from_slice(&entry.frame_bytes.to_le_bytes());
        }
        bytes.extend_from_slice(&entry.pages.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

/// Reads and checks the header and the table of an open file.
pub(super) fn read_index(kind: Kind, file: &File) -> Result<(Header, Box<[Entry]>), SourceError> {
    let file_bytes = file
        .metadata()
        .map_err(SourceError::io("learn the length"))?
        .len();
    let mut head = vec![0; HEADER_BYTES.min(file_bytes) as usize];
    file.read_exact_at(&mut head, 0)
        .map_err(SourceError::io("read the header"))?;
    let header = Header::decode(kind, &head, file_bytes)?;
    let mut table = vec![0; header.table_bytes()];
    file.read_exact_at(&mut table, HEADER_BYTES)
        .map_err(SourceError::io("read the table"))?;
    let entries = header.decode_table(&table)?;
    Ok((header, entries.into_boxed_slice()))
}

/// Writes the table, and then the header, which makes the file valid.
pub(super) fn write_index(
    kind: Kind,
    file: &File,
    len_bytes: u64,
    entries: &[Entry],
) -> Result<(), WriteError> {
    let table = encode_table(kind, entries);
    let header = Header::of(kind, len_bytes, &table).encode();
    file.write_all_at(&table, HEADER_BYTES)
        .and_then(|()| file.write_all_at(&header, 0))
        .map_err(WriteError::io("write the header"))
}

/// The runs of written pages in one chunk, as ranges of guest memory.
pub(super) fn runs(chunk: u64, pages: u16, len_bytes: u64) -> impl Iterator<Item = Extent> {
    let extent = chunk_extent(chunk, len_bytes);
    let count = extent.len / PAGE_BYTES;
    let mut page = 0;
    std::iter::from_fn(move || {
        while page < count && pages & (1 << page) == 0 {
            page += 1;
        }
        let start = page;
        while page < count && pages & (1 << page) != 0 {
            page += 1;
        }
        (page > start).then(|| Extent {
            offset: extent.offset + start * PAGE_BYTES,
            len: (page - start) * PAGE_BYTES,
        })
    })
}

/// All written ranges of a memory.
pub(super) fn extents(entries: impl Iterator<Item = u16>, len_bytes: u64) -> Vec<Extent> {
    let mut all = Vec::new();
    for (chunk, pages) in entries.enumerate() {
        for run in runs(chunk as u64, pages, len_bytes) {
            append(&mut all, run);
        }
    }
    all
}

/// Which pages of a chunk's bytes are not zero.
pub(super) fn pages_with_data(bytes: &[u8]) -> u16 {
    const { assert!(CHUNK_BYTES / PAGE_BYTES == 16, "a mask has 16 bits") };
    let mut mask = 0;
    for (number, page) in bytes.chunks(PAGE_BYTES as usize).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            mask |= 1 << number;
        }
    }
    mask
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
