//! Keys and random bytes.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// What our keys begin with.
const PREFIX: &str = "thaw_";
/// What BandSox's keys begin with.
const BANDSOX_PREFIX: &str = "bsx_";
/// No key is longer, ours (69 characters) or BandSox's (68).
const LONGEST: usize = 128;

/// An API key itself. It is shown once, when it is made, and never in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A new key of 256 random bits.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self(format!(
            "{PREFIX}{}",
            hex::encode(random_bytes::<32>()?)
        )))
    }

    /// Reads what could be a key: ours or BandSox's by its beginning, and nothing but letters, digits and `_`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let known = text.starts_with(PREFIX) || text.starts_with(BANDSOX_PREFIX);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (known && text.len() <= LONGEST && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// The key, to be shown or sent.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// SHA-256 of a key. A key is 256 random bits, so nothing slower is needed to keep it from being guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyHash(pub(crate) [u8; 32]);

/// Random bytes from the kernel.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made_and_never_shows_in_debug_output() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(ApiKey::parse(key.expose()), Some(key.clone()));
        assert_ne!(ApiKey::generate().unwrap(), key);
        assert!(!format!("{key:?}").contains(key.expose()));
        for other in ["", "thaw", "thaw-1", "sk_12", "thaw_a b", "thaw_ä"] {
            assert_eq!(ApiKey::parse(other), None, "{other}");
        }
        assert_eq!(ApiKey::parse(&format!("thaw_{}", "a".repeat(200))), None);
    }
}
