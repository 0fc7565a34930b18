//! Reads and writes another process's memory in batches.

use std::io::{self, IoSlice, IoSliceMut};

use nix::{
    sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev},
    unistd::Pid,
};

/// The most ranges in one call (IOV_MAX).
const MAX_RANGES: usize = 1024;
/// The most bytes in one call: a call can't be interrupted.
const MAX_BYTES: u64 = 64 << 20;

/// Fills `bytes` from address ranges, one after the other.
pub(super) fn read(pid: i32, ranges: &[(u64, u64)], bytes: &mut [u8]) -> io::Result<()> {
    let pid = Pid::from_raw(pid);
    let mut at = 0;
    in_batches(ranges, |batch, len| {
        let local = &mut bytes[at..at + len];
        let done = process_vm_readv(pid, &mut [IoSliceMut::new(local)], batch)?;
        at += done;
        Ok(done)
    })
}

/// Writes `bytes` to address ranges, one after the other.
pub(super) fn write(pid: i32, ranges: &[(u64, u64)], bytes: &[u8]) -> io::Result<()> {
    let pid = Pid::from_raw(pid);
    let mut at = 0;
    in_batches(ranges, |batch, len| {
        let done = process_vm_writev(pid, &[IoSlice::new(&bytes[at..at + len])], batch)?;
        at += done;
        Ok(done)
    })
}

/// Calls `transfer` with ranges and their length until all are done; what a call leaves comes again.
fn in_batches(
    ranges: &[(u64, u64)],
    mut transfer: impl FnMut(&[RemoteIoVec], usize) -> io::Result<usize>,
) -> io::Result<()> {
    let mut next = 0;
    // How much of the range at `next` is done.
    let mut done_of_next = 0;
    let mut batch = Vec::with_capacity(MAX_RANGES.min(ranges.len()));
    while next < ranges.len() {
        batch.clear();
        let mut len = 0;
        for (number, (start, range_len)) in ranges[next..].iter().take(MAX_RANGES).enumerate() {
            let skip = if number == 0 { done_of_next } else { 0 };
            let part = (range_len - skip).min(MAX_BYTES - len);
            batch.push(RemoteIoVec {
                base: (start + skip) as usize,
                len: part as usize,
            });
            len += part;
            if len == MAX_BYTES {
                break;
            }
        }
        let mut done = match transfer(&batch, len as usize) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(done) => done as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        while done > 0 {
            let left = ranges[next].1 - done_of_next;
            if done >= left {
                done -= left;
                next += 1;
                done_of_next = 0;
            } else {
                done_of_next += done;
                done = 0;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_byte_is_transferred_once_however_much_a_call_does(
            lens in proptest::collection::vec(1_u64..50, 0..20),
            steps in proptest::collection::vec(1_usize..60, 1..10),
        ) {
            let mut start = 1000;
            let ranges: Vec<_> = lens.iter().map(|len| {
                let range = (start, *len);
                start += len + 7;
                range
            }).collect();
            let mut moved = Vec::new();
            let mut step = steps.iter().cycle();
            in_batches(&ranges, |batch, len| {
                let done = len.min(*step.next().unwrap());
                let bytes = batch.iter().flat_map(|part| part.base..part.base + part.len);
                moved.extend(bytes.take(done));
                Ok(done)
            }).unwrap();
            let all: Vec<usize> = ranges.iter()
                .flat_map(|(start, len)| *start as usize..(start + len) as usize).collect();
            prop_assert_eq!(moved, all);
        }
    }

    #[test]
    fn a_process_that_gives_nothing_is_an_error_and_no_endless_loop() {
        assert!(in_batches(&[(0, 1)], |_, _| Ok(0)).is_err());
    }
}
