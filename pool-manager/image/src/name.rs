//! Display names of images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest image name in characters (the limit of every display name in Thaw).
pub const MAX_NAME_CHARS: usize = 128;

/// What people call an image: a docker-like reference or free text. Never part of a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName(String);

/// Why a text cannot name an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("an image name must not be empty")]
    Empty,
    /// More than [`MAX_NAME_CHARS`] characters.
    #[error("an image name has at most {MAX_NAME_CHARS} characters")]
    TooLong,
    /// A control character, or white space at an end.
    #[error("an image name has no control characters and no white space around it")]
    Unprintable,
    /// Would be mistaken for a content address.
    #[error("an image name must not begin with \"sha256:\"; that is how digests begin")]
    LooksLikeDigest,
}

impl ImageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(InvalidName::TooLong);
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(InvalidName::Unprintable);
        }
        if text.starts_with("sha256:") {
            return Err(InvalidName::LooksLikeDigest);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ImageName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.0
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_free_text_are_names() {
        for text in ["python", "ghcr.io/a/b:1.2", "my image, the 2nd", "../x"] {
            assert_eq!(text.parse::<ImageName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn empty_long_unprintable_and_digest_like_names_are_refused() {
        let long = "x".repeat(129);
        for text in ["", long.as_str(), "a\nb", " a", "sha256:00"] {
            assert!(text.parse::<ImageName>().is_err(), "{text:?}");
        }
    }
}
