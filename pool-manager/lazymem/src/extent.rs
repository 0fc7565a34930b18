//! Ranges of guest memory, and the two units in which it is handled.

use serde::{Deserialize, Serialize};

/// A page of the guest and of the host, in bytes; the unit of faults and of zero elision.
pub const PAGE_BYTES: u64 = 4096;

/// A chunk in bytes: the unit of reading, of checksums and of filling.
///
/// 64 KiB: a fault that must read pays for one chunk, which a disk delivers in about the time of one
/// page, and its neighbours will be wanted next; a whole MiB would triple the wait of a single fault.
/// The table of checksums is 16 bytes a chunk, 64 KiB for a 256 MiB guest.
pub const CHUNK_BYTES: u64 = 64 * 1024;

/// A range of guest memory in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Extent {
    /// Where it starts.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
}

impl Extent {
    /// The first byte after it.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// What it shares with another, if anything.
    pub fn overlap(self, other: Self) -> Option<Self> {
        let offset = self.offset.max(other.offset);
        let end = self.end().min(other.end());
        (offset < end).then(|| Self {
            offset,
            len: end - offset,
        })
    }
}

/// Appends a range, joined to the last one where they touch. Ranges must come in ascending order.
pub(crate) fn append(extents: &mut Vec<Extent>, next: Extent) {
    if next.len == 0 {
        return;
    }
    match extents.last_mut() {
        Some(last) if last.end() == next.offset => last.len += next.len,
        _ => extents.push(next),
    }
}

/// The number of chunks in a memory of this length.
pub(crate) fn chunk_count(len_bytes: u64) -> u64 {
    len_bytes.div_ceil(CHUNK_BYTES)
}

/// The range of one chunk; the last one may be shorter.
pub(crate) fn chunk_extent(chunk: u64, len_bytes: u64) -> Extent {
    let offset = chunk * CHUNK_BYTES;
    Extent {
        offset,
        len: CHUNK_BYTES.min(len_bytes.saturating_sub(offset)),
    }
}
