//! Bytes that go by, kept as long as there are not too many of them.

use bytes::BytesMut;

/// Everything that went by, or nothing.
#[derive(Debug)]
pub(super) struct Gathered {
    bytes: BytesMut,
    most: usize,
    overflowed: bool,
}

impl Gathered {
    /// Keeps up to so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            bytes: BytesMut::new(),
            most,
            overflowed: false,
        }
    }

    /// Keeps a piece; nothing any more, once there is too much.
    pub(super) fn take(&mut self, piece: &[u8]) {
        self.overflowed |= self.bytes.len() + piece.len() > self.most;
        if self.overflowed {
            self.bytes = BytesMut::new();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// All of it; none when it was too much.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        (!self.overflowed).then_some(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_kept_or_nothing() {
        let mut gathered = Gathered::new(4);
        assert_eq!(gathered.whole(), Some(b"".as_slice()));
        gathered.take(b"ab");
        gathered.take(b"cd");
        assert_eq!(gathered.whole(), Some(b"abcd".as_slice()));
        gathered.take(b"e");
        gathered.take(b"");
        assert_eq!(gathered.whole(), None);
    }
}
