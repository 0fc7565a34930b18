//! The delta of a machine whose memory is its own: one that was booted and not restored.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use nix::{
    errno::Errno,
    unistd::{Whence, lseek},
};

use super::{Delta, DirtyError};
use crate::{
    PageSource,
    extent::{Extent, PAGE_BYTES, append},
};

impl Delta {
    /// Copies all that a stopped guest's memory file holds, at most `limit_bytes`, and zeros where the
    /// template holds something and the guest nothing.
    ///
    /// # Errors
    /// When there is more, or the file can't be read.
    pub fn of_file(
        memory: &File,
        base: &dyn PageSource,
        limit_bytes: u64,
    ) -> Result<Self, DirtyError> {
        let own = |attempt| move |source| DirtyError::Own { attempt, source };
        let guest_bytes = memory.metadata().map_err(own("learn the length"))?.len();
        if guest_bytes != base.len_bytes() {
            return Err(DirtyError::Size {
                delta_bytes: base.len_bytes(),
                guest_bytes,
            });
        }
        let data = data_extents(memory).map_err(own("find the data"))?;
        let dirty = union(&data, base.data_extents());
        let found_bytes = dirty.iter().map(|extent| extent.len).sum();
        if found_bytes > limit_bytes {
            return Err(DirtyError::TooLarge {
                found_bytes,
                limit_bytes,
            });
        }
        let mut bytes = vec![0; found_bytes as usize];
        let mut at = 0;
        for extent in &dirty {
            let part = &mut bytes[at..at + extent.len as usize];
            memory
                .read_exact_at(part, extent.offset)
                .map_err(own("read the memory"))?;
            at += extent.len as usize;
        }
        Ok(Self::of(guest_bytes, &dirty, bytes, base))
    }
}

fn data_extents(file: &File) -> io::Result<Vec<Extent>> {
    let mut extents = Vec::new();
    let mut position = 0;
    loop {
        let start = match lseek(file, position, Whence::SeekData) {
            Ok(start) => start,
            Err(Errno::ENXIO) => return Ok(extents),
            Err(errno) => return Err(errno.into()),
        };
        position = lseek(file, start, Whence::SeekHole)?;
        let offset = start as u64 / PAGE_BYTES * PAGE_BYTES;
        let len = (position as u64 - offset).next_multiple_of(PAGE_BYTES);
        append(&mut extents, Extent { offset, len });
    }
}

/// What is in either of two sorted lists.
fn union(a: &[Extent], b: &[Extent]) -> Vec<Extent> {
    let mut all = [a, b].concat();
    all.sort_unstable_by_key(|extent| extent.offset);
    let mut union: Vec<Extent> = Vec::with_capacity(all.len());
    for extent in all {
        match union.last_mut() {
            Some(last) if extent.offset <= last.end() => {
                last.len = last.end().max(extent.end()) - last.offset;
            }
            _ => union.push(extent),
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_either_list_is_in_the_union_once() {
        let extent = |offset, len| Extent { offset, len };
        let union = union(
            &[extent(0, 2), extent(10, 5), extent(30, 1)],
            &[extent(1, 3), extent(4, 1), extent(12, 1), extent(40, 2)],
        );
        let expected = [extent(0, 5), extent(10, 5), extent(30, 1), extent(40, 2)];
        assert_eq!(union, expected);
    }
}
