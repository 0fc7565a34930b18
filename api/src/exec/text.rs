//! Output as JSON text: a piece never ends inside a character.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thaw_api_types::{Encoding, OutputChunk};

/// Turns one stream's bytes into text, piece by piece. It holds back at most the three bytes of an
/// unfinished character.
#[derive(Debug)]
pub(crate) struct Text {
    encoding: Encoding,
    held: Vec<u8>,
}

impl Text {
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            held: Vec::new(),
        }
    }

    /// Takes bytes and returns what is whole, if anything is.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<OutputChunk> {
        if self.encoding == Encoding::Base64 {
            // Pieces stand alone: a reader decodes each and joins the bytes.
            return self.chunk(bytes);
        }
        self.held.extend_from_slice(bytes);
        let whole = self.held.len() - unfinished(&self.held);
        let rest = self.held.split_off(whole);
        let ready = std::mem::replace(&mut self.held, rest);
        self.chunk(&ready)
    }

    /// Returns what was held back. What never became a character becomes U+FFFD.
    pub(crate) fn finish(&mut self) -> Option<OutputChunk> {
        let held = std::mem::take(&mut self.held);
        self.chunk(&held)
    }

    fn chunk(&self, bytes: &[u8]) -> Option<OutputChunk> {
        (!bytes.is_empty()).then(|| OutputChunk {
            data: text(bytes, self.encoding),
            encoding: self.encoding,
        })
    }
}

/// All of a stream as text.
pub(crate) fn text(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Encoding::Base64 => STANDARD.encode(bytes),
    }
}

/// How many bytes at the end may still become a character.
fn unfinished(bytes: &[u8]) -> usize {
    // A character has at most four bytes, so an unfinished one begins in the last three.
    let tail = bytes.len().saturating_sub(3);
    for start in tail..bytes.len() {
        if let Err(error) = std::str::from_utf8(&bytes[start..])
            && error.valid_up_to() == 0
            && error.error_len().is_none()
        {
            return bytes.len() - start;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(bytes: &[u8], cuts: &[usize], encoding: Encoding) -> Vec<OutputChunk> {
        let mut text = Text::new(encoding);
        let mut rest = bytes;
        let mut chunks = Vec::new();
        for cut in cuts {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            rest = after;
            chunks.extend(text.push(piece));
        }
        chunks.extend(text.push(rest));
        chunks.extend(text.finish());
        chunks
    }

    proptest! {
        #[test]
        fn text_is_the_same_however_it_was_cut(
            text in "\\PC{0,60}",
            cuts in prop::collection::vec(0usize..5, 0..40),
        ) {
            let chunks = join(text.as_bytes(), &cuts, Encoding::Utf8);
            let joined: String = chunks.iter().map(|chunk| chunk.data.as_str()).collect();
            prop_assert_eq!(joined, text);
        }

        #[test]
        fn bytes_that_are_no_text_are_replaced_as_if_they_had_come_at_once(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80u8..=0xff], 0..60),
            cuts in prop::collection::vec(0usize..5, 0..40),
        ) {
            let chunks = join(&bytes, &cuts, Encoding::Utf8);
            let joined: String = chunks.iter().map(|chunk| chunk.data.as_str()).collect();
            prop_assert_eq!(joined, String::from_utf8_lossy(&bytes).into_owned());
        }

        #[test]
        fn base64_gives_every_byte_back(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            cuts in prop::collection::vec(0usize..5, 0..40),
        ) {
            let chunks = join(&bytes, &cuts, Encoding::Base64);
            let joined: Vec<u8> = chunks.iter().flat_map(|c| STANDARD.decode(&c.data).unwrap()).collect();
            prop_assert_eq!(joined, bytes);
        }
    }
}
