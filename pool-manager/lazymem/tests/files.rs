#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Frozen memory on disk: what is written is read, and what is damaged is refused by name.

#[expect(dead_code, reason = "other tests use the rest")]
mod common;

use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use common::{Memory, flip};
use proptest::prelude::*;
use thaw_lazymem::{
    CHUNK_BYTES, PAGE_BYTES, PageSource as _, PlainSource, SourceError, SparseWriter, WriteError,
};

#[test]
fn what_was_frozen_is_read_again() {
    let memory = Memory::patterned(1003);
    let source = PlainSource::open(memory.frozen()).unwrap();
    let mut read = vec![1; memory.bytes.len()];
    source.read_exact_at(0, &mut read).unwrap();
    assert!(read == memory.bytes);
    source.verify().unwrap();
}

#[test]
fn zero_pages_take_no_room_on_disk() {
    let frozen = Memory::empty(4096).frozen();
    assert!(frozen.metadata().unwrap().blocks() * 512 < 64 * 1024);
    let source = PlainSource::open(frozen).unwrap();
    assert!(source.data_extents().is_empty());
}

#[test]
fn the_data_of_a_page_lies_at_its_own_offset_in_the_file() {
    let memory = Memory::patterned(100);
    let source = PlainSource::open(memory.frozen()).unwrap();
    assert_eq!(source.data_offset() % PAGE_BYTES, 0);
    let mut page = vec![0; PAGE_BYTES as usize];
    source
        .file()
        .read_exact_at(&mut page, source.data_offset() + 41 * PAGE_BYTES)
        .unwrap();
    assert!(page == memory.bytes[41 * PAGE_BYTES as usize..42 * PAGE_BYTES as usize]);
}

#[test]
fn a_file_cut_short_is_refused() {
    for keep in [0, 7, 30, 4096, 5000, 20_000, 300_000] {
        let frozen = Memory::patterned(100).frozen();
        frozen.set_len(keep).unwrap();
        let error = PlainSource::open(frozen).unwrap_err();
        match keep {
            0..8 => assert!(matches!(error, SourceError::NotMemory), "{keep}: {error}"),
            _ => assert!(
                matches!(error, SourceError::Truncated { found, .. } if found == keep),
                "{keep}: {error}"
            ),
        }
    }
}

#[test]
fn a_file_cut_after_it_was_opened_is_told_apart_from_a_bad_disk() {
    let frozen = Memory::patterned(100).frozen();
    let source = PlainSource::open(frozen.try_clone().unwrap()).unwrap();
    frozen
        .set_len(source.data_offset() + 10 * PAGE_BYTES)
        .unwrap();
    let mut page = vec![0; PAGE_BYTES as usize];
    let error = source
        .read_exact_at(80 * PAGE_BYTES, &mut page)
        .unwrap_err();
    assert!(matches!(error, SourceError::Truncated { .. }), "{error}");
}

#[test]
fn a_flipped_bit_is_refused_by_its_chunk_and_other_chunks_go_on() {
    let memory = Memory::patterned(100);
    let frozen = memory.frozen();
    let source = PlainSource::open(frozen.try_clone().unwrap()).unwrap();
    flip(&frozen, source.data_offset() + 41 * PAGE_BYTES + 17);
    let mut chunk = vec![0; CHUNK_BYTES as usize];
    let error = source
        .read_exact_at(2 * CHUNK_BYTES, &mut chunk)
        .unwrap_err();
    assert!(
        matches!(error, SourceError::Checksum { chunk: 2 }),
        "{error}"
    );
    source.read_exact_at(CHUNK_BYTES, &mut chunk).unwrap();
    assert!(matches!(
        source.verify(),
        Err(SourceError::Checksum { chunk: 2 })
    ));
}

#[test]
fn a_damaged_header_or_table_is_refused() {
    for (at, what) in [
        (17, "header"),
        (25, "header"),
        (33, "header"),
        (41, "header"),
        (4100, "table of chunks"),
        (4106, "table of chunks"),
    ] {
        let frozen = Memory::patterned(100).frozen();
        flip(&frozen, at);
        let error = PlainSource::open(frozen).unwrap_err();
        assert!(
            matches!(error, SourceError::Damaged { what: part } if part == what),
            "{at}: {error}"
        );
    }
}

#[test]
fn another_version_is_refused_by_its_number() {
    let frozen = Memory::patterned(100).frozen();
    frozen.write_all_at(&77_u32.to_le_bytes(), 8).unwrap();
    let error = PlainSource::open(frozen).unwrap_err();
    assert!(
        matches!(
            error,
            SourceError::Version {
                found: 77,
                known: 1
            }
        ),
        "{error}"
    );
}

#[test]
fn a_file_of_something_else_is_refused() {
    let file = Memory::patterned(10).file();
    assert!(matches!(
        PlainSource::open(file),
        Err(SourceError::NotMemory)
    ));
}

#[test]
fn a_range_outside_the_memory_is_refused() {
    let source = PlainSource::open(Memory::patterned(10).frozen()).unwrap();
    let mut page = vec![0; PAGE_BYTES as usize];
    for offset in [
        9 * PAGE_BYTES + 1,
        10 * PAGE_BYTES,
        u64::MAX,
        u64::MAX - PAGE_BYTES + 1,
    ] {
        let error = source.read_exact_at(offset, &mut page).unwrap_err();
        assert!(matches!(error, SourceError::OutOfRange { .. }), "{error}");
    }
}

#[test]
fn a_length_that_no_guest_has_is_not_written() {
    let memory = Memory::patterned(2).file();
    for len in [0, 5000, 1 << 41] {
        let error = SparseWriter::new(tempfile::tempfile().unwrap())
            .write(&memory, len)
            .unwrap_err();
        assert!(matches!(error, WriteError::Length(found) if found == len));
    }
    // Longer than the memory there is.
    let error = SparseWriter::new(tempfile::tempfile().unwrap())
        .write(&memory, 3 * PAGE_BYTES)
        .unwrap_err();
    assert!(matches!(error, WriteError::Io { .. }));
}

/// Pins the format: who changes one of these numbers makes files that others refuse.
#[test]
fn the_format_of_version_1_does_not_change() {
    let frozen = Memory::patterned(100).frozen();
    let mut header = [0; 48];
    frozen.read_exact_at(&mut header, 0).unwrap();
    assert_eq!(&header[..8], b"THAWMEM\0");
    assert_eq!(header[8..16], [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(header[16..24], (100 * PAGE_BYTES).to_le_bytes());
    assert_eq!(header[24..32], 8192_u64.to_le_bytes());
    assert_eq!(
        u64::from_le_bytes(header[32..40].try_into().unwrap()),
        TABLE_CHECKSUM
    );
    assert_eq!(
        u64::from_le_bytes(header[40..48].try_into().unwrap()),
        HEADER_CHECKSUM
    );
}

const TABLE_CHECKSUM: u64 = 7_318_469_811_716_474_613;
const HEADER_CHECKSUM: u64 = 5_229_631_771_820_669_308;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_of_any_memory_reads_as_it_was(
        pages in 1_u64..120,
        data in proptest::collection::vec(0_u64..120, 0..40),
        offset in 0_u64..120 * PAGE_BYTES,
        len in 0_u64..40 * PAGE_BYTES,
    ) {
        let mut memory = Memory::empty(pages);
        for page in data.into_iter().filter(|page| *page < pages) {
            memory.bytes[(page * PAGE_BYTES + page) as usize] = page as u8 + 1;
        }
        let source = PlainSource::open(memory.frozen()).unwrap();
        let offset = offset % (pages * PAGE_BYTES);
        let len = len.min(pages * PAGE_BYTES - offset);
        let mut read = vec![9; len as usize];
        source.read_exact_at(offset, &mut read).unwrap();
        prop_assert!(read == memory.bytes[offset as usize..(offset + len) as usize]);

        let extents = source.data_extents();
        prop_assert!(extents.windows(2).all(|pair| pair[0].end() < pair[1].offset));
        for page in 0..pages {
            let inside = extents.iter().any(|e| e.offset <= page * PAGE_BYTES && page * PAGE_BYTES < e.end());
            let zero = memory.bytes[(page * PAGE_BYTES) as usize..][..PAGE_BYTES as usize].iter().all(|b| *b == 0);
            prop_assert_eq!(inside, !zero);
        }
    }
}
