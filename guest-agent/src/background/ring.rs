//! The last bytes of an output stream.

use std::collections::VecDeque;

use thaw_guest_protocol::StreamInfo;

/// Keeps the last `capacity` bytes; what is older is thrown away.
#[derive(Debug)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    capacity: usize,
    written: u64,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            written: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        self.bytes.drain(..surplus);
        self.bytes.extend(kept);
        self.written += bytes.len() as u64;
    }

    pub(super) fn info(&self) -> StreamInfo {
        StreamInfo {
            written_bytes: self.written,
            lost_bytes: self.written - self.bytes.len() as u64,
        }
    }

    /// At most `most` bytes from the first that is kept at or after `from`, and the place of the first of them.
    pub(super) fn read(&self, from: u64, most: usize) -> (u64, Vec<u8>) {
        let from = from.clamp(self.info().lost_bytes, self.written);
        // What is kept fits into memory.
        let behind = (self.written - from) as usize;
        let start = self.bytes.len() - behind;
        let end = start + behind.min(most);
        (from, self.bytes.range(start..end).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_given_as_far_as_it_is_kept() {
        let mut ring = Ring::new(4);
        assert_eq!(ring.read(0, 9), (0, Vec::new()));
        ring.push(b"ab");
        ring.push(b"cde");
        let info = ring.info();
        assert_eq!((info.written_bytes, info.lost_bytes), (5, 1));
        assert_eq!(ring.read(0, 9), (1, b"bcde".to_vec()));
        assert_eq!(ring.read(3, 9), (3, b"de".to_vec()));
        assert_eq!(ring.read(1, 2), (1, b"bc".to_vec()));
        assert_eq!(ring.read(77, 9), (5, Vec::new()));
        ring.push(b"0123456789");
        assert_eq!(ring.read(0, 9), (11, b"6789".to_vec()));
    }
}
