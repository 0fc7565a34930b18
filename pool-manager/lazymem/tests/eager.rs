#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Template memory that is filled before its first use, and who may write it.

mod common;

use std::{
    fs::File,
    os::{fd::AsRawFd as _, unix::fs::FileExt as _},
    sync::Arc,
};

use common::{Memory, flip};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use thaw_lazymem::{
    Extent, FillError, PAGE_BYTES, PageSource, PlainSource, SourceError, TemplateMemory,
};

fn contents(template: &TemplateMemory) -> Vec<u8> {
    let file = File::from(template.fd().try_clone_to_owned().unwrap());
    let mut bytes = vec![0; template.len_bytes() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn a_filled_template_holds_what_was_frozen() {
    let memory = Memory::patterned(1003);
    let template = TemplateMemory::new(memory.source(), "test").unwrap();
    assert!(!template.is_whole());
    template.fill_all().unwrap();
    assert!(template.is_whole());
    assert_eq!(template.missing_bytes(), 0);
    assert!(contents(&template) == memory.bytes);
}

#[test]
fn many_may_fill_at_once() {
    let memory = Memory::patterned(5000);
    let template = TemplateMemory::new(memory.source(), "test").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| template.fill_all().unwrap());
        }
    });
    assert!(template.is_whole());
    assert!(contents(&template) == memory.bytes);
}

#[test]
fn a_memory_of_zeros_is_whole_from_the_start() {
    let template = TemplateMemory::new(Memory::empty(100).source(), "test").unwrap();
    assert!(template.is_whole());
}

#[test]
fn holes_stay_holes() {
    let memory = Memory::patterned(4000);
    let template = TemplateMemory::new(memory.source(), "test").unwrap();
    template.fill_all().unwrap();
    let data: u64 = template.source().data_extents().iter().map(|e| e.len).sum();
    let file = File::from(template.fd().try_clone_to_owned().unwrap());
    let used = std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()) * 512;
    assert_eq!(used, data);
}

#[test]
fn nobody_who_gets_the_descriptor_can_write_grow_or_shrink_it() {
    let memory = Memory::patterned(100);
    let template = TemplateMemory::new(memory.source(), "test").unwrap();
    template.fill_all().unwrap();
    let file = File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/self/fd/{}", template.fd().as_raw_fd()))
        .unwrap();
    assert!(file.write_all_at(b"x", 0).is_err());
    assert!(file.set_len(0).is_err());
    assert!(file.set_len(1 << 30).is_err());
    let punched = nix::fcntl::fallocate(
        &file,
        nix::fcntl::FallocateFlags::FALLOC_FL_PUNCH_HOLE
            | nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE,
        0,
        PAGE_BYTES as i64,
    );
    assert!(punched.is_err());
    assert!(fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)).is_err());
    assert!(contents(&template) == memory.bytes);
}

#[test]
fn a_damaged_chunk_stops_the_filling_and_the_template_is_not_whole() {
    let memory = Memory::patterned(100);
    let frozen = memory.frozen();
    let source = PlainSource::open(frozen.try_clone().unwrap()).unwrap();
    flip(&frozen, source.data_offset() + 81 * PAGE_BYTES);
    let template = TemplateMemory::new(Arc::new(source), "test").unwrap();
    for _ in 0..2 {
        let error = template.fill_all().unwrap_err();
        assert!(
            matches!(error, FillError::Source(SourceError::Checksum { chunk: 5 })),
            "{error:?}"
        );
        assert!(!template.is_whole());
    }
    // Nothing of the bad chunk is in the memory.
    assert!(
        contents(&template)[80 * PAGE_BYTES as usize..96 * PAGE_BYTES as usize]
            .iter()
            .all(|b| *b == 0)
    );
    // Mended, it goes on where it was.
    flip(&frozen, 8192 + 81 * PAGE_BYTES);
    template.fill_all().unwrap();
    assert!(contents(&template) == memory.bytes);
}

/// A source of a length that no memfd can have.
#[derive(Debug)]
struct Endless;

impl PageSource for Endless {
    fn len_bytes(&self) -> u64 {
        1 << 62
    }

    fn data_extents(&self) -> &[Extent] {
        &[]
    }

    fn read_exact_at(&self, _: u64, _: &mut [u8]) -> Result<(), SourceError> {
        unreachable!("nothing is read of a memory that can't be made")
    }
}

#[test]
fn a_memfd_that_can_not_grow_is_an_error_that_names_the_size() {
    let error = TemplateMemory::new(Arc::new(Endless), "test").unwrap_err();
    assert!(
        error.to_string().contains("4611686018427387904 bytes"),
        "{error}"
    );
}
