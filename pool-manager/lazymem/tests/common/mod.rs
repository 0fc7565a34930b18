//! Frozen memories for tests.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _, sync::Arc};

use thaw_lazymem::{PAGE_BYTES, PageSource, PlainSource, SparseWriter};

/// A memory in which every page can be told from every other, with holes of several sizes.
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
}

impl Memory {
    /// `pages` pages; of each 40, the last 15 are zero, and every seventh is.
    pub(crate) fn patterned(pages: u64) -> Self {
        let mut bytes = vec![0; (pages * PAGE_BYTES) as usize];
        for page in (0..pages).filter(|page| has_data(*page)) {
            fill_page(
                &mut bytes[(page * PAGE_BYTES) as usize..][..PAGE_BYTES as usize],
                page,
            );
        }
        Self { bytes }
    }

    /// Nothing but zeros.
    pub(crate) fn empty(pages: u64) -> Self {
        Self {
            bytes: vec![0; (pages * PAGE_BYTES) as usize],
        }
    }

    pub(crate) fn file(&self) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&self.bytes).unwrap();
        file
    }

    /// The frozen form on disk.
    pub(crate) fn frozen(&self) -> File {
        let out = tempfile::tempfile().unwrap();
        let (out, _) = SparseWriter::new(out)
            .write(&self.file(), self.bytes.len() as u64)
            .unwrap();
        out
    }

    pub(crate) fn source(&self) -> Arc<dyn PageSource> {
        Arc::new(PlainSource::open(self.frozen()).unwrap())
    }
}

/// Whether a patterned memory has data in a page.
pub(crate) fn has_data(page: u64) -> bool {
    page % 40 < 25 && page % 7 != 3
}

/// What a patterned memory holds in a page.
pub(crate) fn fill_page(bytes: &mut [u8], page: u64) {
    let mut state = page.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes());
    }
}

/// Turns one bit of a file.
pub(crate) fn flip(file: &File, at: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}
