//! Frozen memory in zstd frames, one for each chunk, with an index.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{Mutex, PoisonError},
};

use zstd::bulk::{Compressor, Decompressor};

use super::{
    PageSource, SourceError, WriteError, Written,
    format::{
        Entry, Header, Kind, checksum, extents, length_fits, pages_with_data, read_index,
        write_index,
    },
    plain::read_by_chunk,
};
use crate::extent::{CHUNK_BYTES, Extent, PAGE_BYTES, chunk_count, chunk_extent};

/// Favours the time of a restore over the last percent of space; zstd's own default.
const LEVEL: i32 = 3;
/// Idle decompressors that are kept: the page server has two threads that read.
const MAX_IDLE: usize = 4;

/// Writes the memory of a frozen guest so that it is small on disk.
#[derive(Debug)]
pub struct CompressedWriter {
    out: File,
}

/// A file that [`CompressedWriter`] wrote, verified by chunk as it is read.
pub struct CompressedSource {
    file: File,
    header: Header,
    entries: Box<[Entry]>,
    extents: Vec<Extent>,
    /// Kept, because making one costs more than a chunk. When more threads read at once than there
    /// are here, each of them makes its own, and what is too many is dropped after use.
    idle: Mutex<Vec<Reader>>,
}

/// What one thread needs to read a chunk.
struct Reader {
    zstd: Decompressor<'static>,
    frame: Vec<u8>,
}

impl CompressedWriter {
    /// Will write into `out`, an empty file that is open for writing.
    pub fn new(out: File) -> Self {
        Self { out }
    }

    /// Compresses `len_bytes` of `memory` that nobody writes any more, and gives the file back.
    ///
    /// The header comes last, so a file that was left half-made is refused. Blocks for some seconds
    /// per GiB of data; does not sync.
    ///
    /// # Errors
    /// When the memory can't be read or is shorter than `len_bytes`, when the disk is full, or the
    /// length is not a guest's. The file is then of no use.
    pub fn write(self, memory: &File, len_bytes: u64) -> Result<(File, Written), WriteError> {
        if !length_fits(len_bytes) {
            return Err(WriteError::Length(len_bytes));
        }
        let mut at = Header::data_offset(Kind::Compressed, len_bytes);
        self.out
            .set_len(0)
            .and_then(|()| self.out.set_len(at))
            .map_err(WriteError::io("set the length"))?;
        let mut zstd = Compressor::new(LEVEL).map_err(WriteError::io("start the compression"))?;
        let mut entries = vec![Entry::default(); chunk_count(len_bytes) as usize];
        let mut buffer = vec![0; CHUNK_BYTES as usize];
        let mut data_bytes = 0;
        for (chunk, entry) in entries.iter_mut().enumerate() {
            let extent = chunk_extent(chunk as u64, len_bytes);
            let bytes = &mut buffer[..extent.len as usize];
            memory
                .read_exact_at(bytes, extent.offset)
                .map_err(WriteError::io("read the frozen guest for a file"))?;
            let pages = pages_with_data(bytes);
            if pages == 0 {
                continue;
            }
            let frame = zstd
                .compress(bytes)
                .map_err(WriteError::io("compress a chunk"))?;
            self.out
                .write_all_at(&frame, at)
                .map_err(WriteError::io("write the chunks"))?;
            *entry = Entry {
                checksum: checksum(bytes),
                pages,
                offset: at,
                frame_bytes: frame.len() as u32,
            };
            at += frame.len() as u64;
            data_bytes += u64::from(pages.count_ones()) * PAGE_BYTES;
        }
        write_index(Kind::Compressed, &self.out, len_bytes, &entries)?;
        let written = Written {
            len_bytes,
            data_bytes,
            disk_bytes: at,
        };
        Ok((self.out, written))
    }
}

impl CompressedSource {
    /// Takes an open file, checks its header, its index and its length.
    ///
    /// # Errors
    /// When the file can't be read, is no compressed memory, is of another version, damaged or cut
    /// short.
    pub fn open(file: File) -> Result<Self, SourceError> {
        let (header, entries) = read_index(Kind::Compressed, &file)?;
        let found = file
            .metadata()
            .map_err(SourceError::io("learn the length"))?
            .len();
        let mut expected = header.data_offset;
        for entry in entries.iter().filter(|entry| entry.pages != 0) {
            // Frames lie one after the other; none is much longer than what it holds.
            let fits = entry.offset == expected && u64::from(entry.frame_bytes) <= 2 * CHUNK_BYTES;
            if !fits {
                return Err(SourceError::Damaged {
                    what: "table of chunks",
                });
            }
            expected += u64::from(entry.frame_bytes);
        }
        if found < expected {
            return Err(SourceError::Truncated { expected, found });
        }
        let extents = extents(entries.iter().map(|entry| entry.pages), header.len_bytes);
        Ok(Self {
            file,
            header,
            entries,
            extents,
            idle: Mutex::new(Vec::with_capacity(MAX_IDLE)),
        })
    }

    fn read_chunk(&self, chunk: u64, bytes: &mut [u8]) -> Result<(), SourceError> {
        let entry = self.entries[chunk as usize];
        if entry.pages == 0 {
            bytes.fill(0);
            return Ok(());
        }
        let mut reader = self.reader()?;
        let frame = &mut reader.frame[..entry.frame_bytes as usize];
        self.file
            .read_exact_at(frame, entry.offset)
            .map_err(|source| self.failed_read(entry, source))?;
        // A frame that zstd refuses is a chunk that isn't what was written.
        let len = reader.zstd.decompress_to_buffer(frame, bytes);
        let whole = len.is_ok_and(|len| len == bytes.len()) && checksum(bytes) == entry.checksum;
        self.give_back(reader);
        if whole {
            Ok(())
        } else {
            Err(SourceError::Checksum { chunk })
        }
    }

    fn reader(&self) -> Result<Reader, SourceError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(reader) => Ok(reader),
            None => Ok(Reader {
                zstd: Decompressor::new().map_err(SourceError::io("start the decompression"))?,
                frame: vec![0; 2 * CHUNK_BYTES as usize],
            }),
        }
    }

    fn give_back(&self, reader: Reader) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(reader);
        }
    }

    fn failed_read(&self, entry: Entry, source: io::Error) -> SourceError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return SourceError::Truncated {
                expected: entry.offset + u64::from(entry.frame_bytes),
                found: self.file.metadata().map_or(0, |data| data.len()),
            };
        }
        SourceError::Io {
            what: "read the chunks",
            source,
        }
    }
}

impl PageSource for CompressedSource {
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

impl std::fmt::Debug for CompressedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressedSource")
            .field("file", &self.file)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
