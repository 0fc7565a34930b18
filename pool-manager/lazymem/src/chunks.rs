//! Which chunks of a template are filled: the only truth about it.
//!
//! ```text
//! absent --begin--> filling --done--> filled
//!                      |
//!                      +--undo--> absent        (the source failed)
//! ```

use std::sync::{
    Condvar, Mutex, PoisonError,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use crate::extent::{CHUNK_BYTES, Extent, chunk_count};

const ABSENT: u8 = 0;
const FILLING: u8 = 1;
const FILLED: u8 = 2;

/// The state of every chunk.
#[derive(Debug)]
pub(crate) struct ChunkStates {
    states: Box<[AtomicU8]>,
    /// How many are not filled.
    missing: AtomicU64,
    /// Guards nothing; those who wait for another's filling sleep on it.
    turn: Mutex<()>,
    changed: Condvar,
}

/// The right to fill one chunk. Dropped without [`done`](Self::done), the chunk is absent again.
#[derive(Debug)]
pub(crate) struct Filling<'a> {
    states: &'a ChunkStates,
    chunk: u64,
    filled: bool,
}

impl ChunkStates {
    /// All absent, except the chunks without data, which need no filling.
    pub(crate) fn new(len_bytes: u64, data: &[Extent]) -> Self {
        let states: Box<[AtomicU8]> = (0..chunk_count(len_bytes))
            .map(|_| AtomicU8::new(FILLED))
            .collect();
        let mut missing = 0;
        for extent in data {
            for chunk in chunks_of(*extent) {
                // Two ranges may share a chunk.
                if states[chunk as usize].swap(ABSENT, Ordering::Relaxed) == FILLED {
                    missing += 1;
                }
            }
        }
        Self {
            states,
            missing: AtomicU64::new(missing),
            turn: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing() == 0
    }

    /// The number of chunks that are not filled.
    pub(crate) fn missing(&self) -> u64 {
        self.missing.load(Ordering::Acquire)
    }

    pub(crate) fn is_filled(&self, chunk: u64) -> bool {
        self.states[chunk as usize].load(Ordering::Acquire) == FILLED
    }

    /// Takes the right to fill a chunk; `None` when it is filled. Waits for another thread that has
    /// it, which is bounded by one read of one chunk.
    pub(crate) fn begin(&self, chunk: u64) -> Option<Filling<'_>> {
        let state = &self.states[chunk as usize];
        loop {
            match state.compare_exchange(ABSENT, FILLING, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    return Some(Filling {
                        states: self,
                        chunk,
                        filled: false,
                    });
                }
                Err(FILLED) => return None,
                Err(_) => {
                    let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                    let busy = |_: &mut ()| state.load(Ordering::Acquire) == FILLING;
                    drop(
                        self.changed
                            .wait_while(turn, busy)
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                }
            }
        }
    }
}

impl Filling<'_> {
    /// The chunk holds its bytes.
    pub(crate) fn done(mut self) {
        self.filled = true;
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        let state = if self.filled { FILLED } else { ABSENT };
        self.states.states[self.chunk as usize].store(state, Ordering::Release);
        if self.filled {
            self.states.missing.fetch_sub(1, Ordering::AcqRel);
        }
        drop(
            self.states
                .turn
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.states.changed.notify_all();
    }
}

/// The numbers of the chunks that a range touches.
pub(crate) fn chunks_of(extent: Extent) -> std::ops::Range<u64> {
    extent.offset / CHUNK_BYTES..extent.end().div_ceil(CHUNK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: u64 = 3 * CHUNK_BYTES;

    fn only_the_second() -> ChunkStates {
        let data = [
            Extent {
                offset: CHUNK_BYTES,
                len: 4096,
            },
            Extent {
                offset: CHUNK_BYTES + 8192,
                len: 4096,
            },
        ];
        ChunkStates::new(THREE, &data)
    }

    #[test]
    fn chunks_without_data_need_no_filling() {
        let states = only_the_second();
        assert_eq!(states.missing(), 1);
        assert!(states.is_filled(0) && !states.is_filled(1) && states.is_filled(2));
        assert!(states.begin(0).is_none());
    }

    #[test]
    fn a_filling_that_is_given_up_can_be_tried_again() {
        let states = only_the_second();
        drop(states.begin(1).unwrap());
        assert!(!states.is_whole());
        states.begin(1).unwrap().done();
        assert!(states.is_whole() && states.is_filled(1));
        assert!(states.begin(1).is_none());
    }

    #[test]
    fn a_second_filler_waits_and_finds_the_chunk_filled() {
        let states = only_the_second();
        let first = states.begin(1).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| states.begin(1).is_none());
            first.done();
            assert!(second.join().unwrap());
        });
    }
}
