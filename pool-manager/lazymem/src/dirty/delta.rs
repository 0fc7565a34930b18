//! The difference of a guest to its template, in memory and on disk.
//!
//! On disk, little endian:
//!
//! ```text
//! 0    magic "THAWDLTA", version u32, reserved u32, guest length u64, number of ranges u64,
//!      data length u64, checksum of the index u64, checksum of the bytes before u64
//! 56   index: each range as offset u64 and length u64, then for each 64 KiB of data a checksum u64
//! data the ranges' bytes, one after the other
//! ```

use std::{fs::File, io, os::unix::fs::FileExt as _};

use twox_hash::XxHash3_64;

use crate::{
    PageSource,
    extent::{CHUNK_BYTES, Extent, PAGE_BYTES, append},
};

const MAGIC: [u8; 8] = *b"THAWDLTA";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 56;

/// What a guest wrote since its template was frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    guest_bytes: u64,
    extents: Vec<Extent>,
    bytes: Vec<u8>,
}

/// A stored delta that can't be used or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The operating system refused.
    #[error("could not {attempt} of a guest's delta")]
    Io {
        /// What was tried.
        attempt: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file does not begin like a delta.
    #[error("the file is not a guest's delta")]
    NotDelta,
    /// Written by a version that this one does not know.
    #[error("the guest's delta has format version {found}, and this program reads {known}")]
    Version {
        /// The version in the file.
        found: u32,
        /// The version that is understood.
        known: u32,
    },
    /// The file is shorter than it says.
    #[error("the guest's delta is cut short: {found} bytes of {expected}")]
    Truncated {
        /// The length that its header promises.
        expected: u64,
        /// The length that there is.
        found: u64,
    },
    /// The header or the index is damaged.
    #[error("the guest's delta has a damaged {what}")]
    Damaged {
        /// Which part.
        what: &'static str,
    },
    /// A part of the data is not what was written.
    #[error("chunk {chunk} of the guest's delta fails its checksum")]
    Checksum {
        /// Its number, in 64 KiB from the start of the data.
        chunk: u64,
    },
}

impl Delta {
    /// From ranges and their bytes, one after the other; none unless the ranges are sorted, apart, of whole
    /// pages, inside the guest, and as long together as the bytes.
    pub fn new(guest_bytes: u64, extents: Vec<Extent>, bytes: Vec<u8>) -> Option<Self> {
        are_sound(&extents, guest_bytes, bytes.len() as u64).then_some(Self {
            guest_bytes,
            extents,
            bytes,
        })
    }

    /// Of a guest that wrote nothing.
    pub fn empty(guest_bytes: u64) -> Self {
        Self {
            guest_bytes,
            extents: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// From the bytes of ranges, without the pages that are zero in the template as well.
    pub(super) fn of(
        guest_bytes: u64,
        dirty: &[Extent],
        mut bytes: Vec<u8>,
        base: &dyn PageSource,
    ) -> Self {
        let mut extents = Vec::with_capacity(dirty.len());
        let (mut from, mut to) = (0, 0);
        let page_bytes = PAGE_BYTES as usize;
        for extent in dirty {
            for offset in (extent.offset..extent.end()).step_by(page_bytes) {
                let page = Extent {
                    offset,
                    len: PAGE_BYTES,
                };
                let zero = bytes[from..from + page_bytes].iter().all(|byte| *byte == 0);
                if !zero || has_data(base, page) {
                    bytes.copy_within(from..from + page_bytes, to);
                    append(&mut extents, page);
                    to += page_bytes;
                }
                from += page_bytes;
            }
        }
        bytes.truncate(to);
        Self {
            guest_bytes,
            extents,
            bytes,
        }
    }

    /// The guest's whole memory in bytes.
    pub fn guest_bytes(&self) -> u64 {
        self.guest_bytes
    }

    /// The ranges that differ, sorted and apart.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The bytes of the ranges, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes the delta into an empty file. The header comes last; does not sync.
    ///
    /// # Errors
    /// When the disk is full or fails; the file is then of no use.
    pub fn write(&self, out: &File) -> Result<(), DeltaError> {
        let index = self.index();
        let io = |attempt| move |source| DeltaError::Io { attempt, source };
        let data_offset = (HEADER_BYTES + index.len()) as u64;
        out.set_len(0).map_err(io("set the length"))?;
        out.write_all_at(&self.bytes, data_offset)
            .map_err(io("write the pages"))?;
        out.write_all_at(&index, HEADER_BYTES as u64)
            .map_err(io("write the index"))?;
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&0_u32.to_le_bytes());
        let numbers = [
            self.guest_bytes,
            self.extents.len() as u64,
            self.bytes.len() as u64,
            XxHash3_64::oneshot(&index),
        ];
        header.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let own = XxHash3_64::oneshot(&header);
        header.extend_from_slice(&own.to_le_bytes());
        out.write_all_at(&header, 0).map_err(io("write the header"))
    }

    /// Reads a delta and checks all of it.
    ///
    /// # Errors
    /// When the file can't be read, is no delta, is of another version, damaged or cut short.
    pub fn read(file: &File) -> Result<Self, DeltaError> {
        let io = |attempt| move |source| DeltaError::Io { attempt, source };
        let found = file.metadata().map_err(io("learn the length"))?.len();
        let mut header = [0; HEADER_BYTES];
        let readable = HEADER_BYTES.min(found as usize);
        file.read_exact_at(&mut header[..readable], 0)
            .map_err(io("read the header"))?;
        if !header.starts_with(&MAGIC) {
            return Err(DeltaError::NotDelta);
        }
        let truncated = |expected| DeltaError::Truncated { expected, found };
        if readable < HEADER_BYTES {
            return Err(truncated(HEADER_BYTES as u64));
        }
        // The reserved half of the word is not looked at.
        let version = word(&header, 8) as u32;
        if version != VERSION {
            return Err(DeltaError::Version {
                found: version,
                known: VERSION,
            });
        }
        let header_is_whole = XxHash3_64::oneshot(&header[..48]) == word(&header, 48);
        let (guest_bytes, count, data_bytes) =
            (word(&header, 16), word(&header, 24), word(&header, 32));
        let possible = data_bytes <= guest_bytes && count <= data_bytes / PAGE_BYTES;
        if !header_is_whole || !possible {
            return Err(DeltaError::Damaged { what: "header" });
        }
        let index_bytes = count * 16 + data_bytes.div_ceil(CHUNK_BYTES) * 8;
        let data_offset = HEADER_BYTES as u64 + index_bytes;
        if found < data_offset + data_bytes {
            return Err(truncated(data_offset + data_bytes));
        }
        let mut index = vec![0; index_bytes as usize];
        file.read_exact_at(&mut index, HEADER_BYTES as u64)
            .map_err(io("read the index"))?;
        let damaged = || DeltaError::Damaged { what: "index" };
        if XxHash3_64::oneshot(&index) != word(&header, 40) {
            return Err(damaged());
        }
        let (ranges, sums) = index.split_at(count as usize * 16);
        let extents = ranges_of(ranges, guest_bytes, data_bytes).ok_or_else(damaged)?;
        let mut bytes = vec![0; data_bytes as usize];
        file.read_exact_at(&mut bytes, data_offset)
            .map_err(io("read the pages"))?;
        for (chunk, part) in bytes.chunks(CHUNK_BYTES as usize).enumerate() {
            if XxHash3_64::oneshot(part) != word(sums, chunk * 8) {
                return Err(DeltaError::Checksum {
                    chunk: chunk as u64,
                });
            }
        }
        Ok(Self {
            guest_bytes,
            extents,
            bytes,
        })
    }

    fn index(&self) -> Vec<u8> {
        let ranges = self.extents.iter();
        let ranges = ranges.flat_map(|extent| [extent.offset, extent.len]);
        let sums = self
            .bytes
            .chunks(CHUNK_BYTES as usize)
            .map(XxHash3_64::oneshot);
        ranges.chain(sums).flat_map(u64::to_le_bytes).collect()
    }
}

fn ranges_of(bytes: &[u8], guest_bytes: u64, data_bytes: u64) -> Option<Vec<Extent>> {
    let extents: Vec<_> = (0..bytes.len())
        .step_by(16)
        .map(|at| Extent {
            offset: word(bytes, at),
            len: word(bytes, at + 8),
        })
        .collect();
    are_sound(&extents, guest_bytes, data_bytes).then_some(extents)
}

/// Sorted, apart, whole pages, inside the guest, and as long together as the data.
fn are_sound(extents: &[Extent], guest_bytes: u64, data_bytes: u64) -> bool {
    let mut free_from = 0;
    let mut total = 0_u64;
    for extent in extents {
        let whole = extent.len > 0 && (extent.offset | extent.len).is_multiple_of(PAGE_BYTES);
        let fits = extent
            .offset
            .checked_add(extent.len)
            .is_some_and(|end| end <= guest_bytes);
        if !whole || !fits || extent.offset < free_from {
            return false;
        }
        free_from = extent.end();
        // None overlap and all fit, so the sum does too.
        total += extent.len;
    }
    total == data_bytes
}

fn has_data(base: &dyn PageSource, page: Extent) -> bool {
    crate::source::data_within(base, page).next().is_some()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
