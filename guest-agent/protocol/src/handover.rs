//! How an agent learns that its byte stream goes on with another host.
//!
//! A running machine that is copied has a connection to its host, half of whose bytes may be on their way in
//! memory, in device queues and in sockets. The machine goes on with its own host; the copy can't: whatever it
//! still sends and receives belongs to nobody. So the host says a secret word to the agent before it copies
//! the machine, and the copy's host begins with that word. From there on the agent hears a new connection, and
//! says the word itself before its own first byte, so that the host, too, knows where it begins.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::SecretBytes;

/// The length of a word: long enough that it never comes up by chance.
pub const HANDOVER_BYTES: usize = 16;

/// A secret word, random and used for one copy of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover(SecretBytes);

impl Handover {
    /// Takes random bytes as a word.
    pub fn new(random: [u8; HANDOVER_BYTES]) -> Self {
        Self(SecretBytes(random.to_vec()))
    }

    /// The word as it is sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

impl Serialize for Handover {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Handover {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = SecretBytes::deserialize(deserializer)?;
        if bytes.0.len() == HANDOVER_BYTES {
            Ok(Self(bytes))
        } else {
            Err(D::Error::custom("a handover's word has 16 bytes"))
        }
    }
}

/// Looks for a word in a stream, however the stream is cut.
#[derive(Debug, Clone)]
pub struct HandoverScan {
    word: Handover,
    /// The end of what was seen, shorter than the word.
    tail: Vec<u8>,
}

impl HandoverScan {
    /// Looks for `word` in what comes from now on.
    pub fn new(word: Handover) -> Self {
        Self {
            word,
            tail: Vec::with_capacity(HANDOVER_BYTES),
        }
    }

    /// The word that is looked for.
    pub fn word(&self) -> &Handover {
        &self.word
    }

    /// Takes the next bytes; returns where the bytes behind the word begin in them.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let word = self.word.as_bytes();
        let before = self.tail.len();
        // The word may lie across the cut.
        self.tail
            .extend_from_slice(&bytes[..bytes.len().min(word.len() - 1)]);
        if let Some(at) = position(&self.tail, word) {
            return Some(at + word.len() - before);
        }
        if let Some(at) = position(bytes, word) {
            return Some(at + word.len());
        }
        let kept = if bytes.len() < word.len() {
            &self.tail
        } else {
            bytes
        };
        self.tail = kept[kept.len().saturating_sub(word.len() - 1)..].to_vec();
        None
    }
}

fn position(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORD: [u8; HANDOVER_BYTES] = *b"0123456789abcdef";

    proptest! {
        #[test]
        fn the_word_is_found_where_it_ends_however_the_stream_is_cut(
            // Of the word's own letters, so that it begins often.
            before in prop::collection::vec(prop::sample::select(WORD[..3].to_vec()), 0..200),
            after in prop::collection::vec(any::<u8>(), 0..50),
            cut in 1usize..40,
        ) {
            let stream = [&before[..], &WORD, &after].concat();
            let mut scan = HandoverScan::new(Handover::new(WORD));
            let mut taken = 0;
            let mut found = None;
            for piece in stream.chunks(cut) {
                if let Some(at) = scan.feed(piece) {
                    found = Some(taken + at);
                    break;
                }
                taken += piece.len();
            }
            prop_assert_eq!(found, Some(before.len() + WORD.len()));
        }
    }

    #[test]
    fn a_word_travels_as_text_is_never_shown_and_has_one_length() {
        let word = Handover::new(WORD);
        let text = serde_json::to_string(&word).unwrap();
        assert_eq!(serde_json::from_str::<Handover>(&text).unwrap(), word);
        assert!(!format!("{word:?}").contains("0123"));
        assert!(serde_json::from_str::<Handover>("\"AAAA\"").is_err());
    }
}
