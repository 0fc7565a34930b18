//! The last bytes of an endless output.

use std::collections::VecDeque;

/// Keeps the last `capacity` bytes; what is older is thrown away.
#[derive(Debug)]
pub(crate) struct Ring {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// How many came in all.
    written: u64,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            written: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        self.bytes.drain(..surplus);
        self.bytes.extend(kept);
        self.written += bytes.len() as u64;
    }

    /// How many bytes came in all.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// What is kept of what came after the first `from` bytes; the last of it is the last that came.
    pub(crate) fn since(&self, from: u64) -> Vec<u8> {
        let wanted = self.written.saturating_sub(from);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let kept = self.bytes.len();
        self.bytes
            .range(kept - wanted.min(kept)..)
            .copied()
            .collect()
    }

    /// What is kept, as text; bytes that are no UTF-8 are replaced.
    pub(crate) fn text(&self) -> String {
        let (front, back) = self.bytes.as_slices();
        String::from_utf8_lossy(&[front, back].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_bytes_are_kept() {
        let mut ring = Ring::new(4);
        ring.push(b"ab");
        ring.push(b"cde");
        assert_eq!(ring.text(), "bcde");
        ring.push(b"0123456789");
        assert_eq!(ring.text(), "6789");
    }

    #[test]
    fn what_came_since_is_told_as_far_as_it_is_kept() {
        let mut ring = Ring::new(4);
        ring.push(b"abcdef");
        assert_eq!(ring.written(), 6);
        assert_eq!(ring.since(0), b"cdef");
        assert_eq!(ring.since(4), b"ef");
        assert_eq!(ring.since(6), b"");
        assert_eq!(ring.since(9), b"");
    }
}
