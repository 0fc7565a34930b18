//! Names of functions and aliases.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name, in characters (AWS Lambda's limit).
const MAX_CHARS: usize = 64;

/// A name: 1 to 64 of `a-z A-Z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(String);

/// A text that is no name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text:?} is no {what}: it has 1 to 64 of the characters a-z, A-Z, 0-9, '-' and '_'")]
pub struct BadName {
    what: &'static str,
    text: String,
}

impl FunctionName {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        if is_name(&text) {
            Ok(Self(text))
        } else {
            Err(BadName {
                what: "name of a function",
                text,
            })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether it may be the name of an alias: one that could be a version's number may not.
pub(crate) fn check_alias(text: &str) -> Result<(), BadName> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_name(text) && !is_number {
        Ok(())
    } else {
        Err(BadName {
            what: "name of an alias (nor may it be a number)",
            text: text.to_owned(),
        })
    }
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(fits)
}

impl TryFrom<String> for FunctionName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl From<FunctionName> for String {
    fn from(name: FunctionName) -> Self {
        name.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_path_and_aws_can_hold() {
        for name in ["a", "Resize-image_2", "0", &"x".repeat(64)] {
            assert!(FunctionName::new(name).is_ok());
        }
        for name in ["", "a b", "a/b", "a.b", "ä", "..", &"x".repeat(65)] {
            assert!(FunctionName::new(name).is_err(), "{name:?}");
        }
        assert!(check_alias("live").is_ok());
        assert!(check_alias("12").is_err() && check_alias("").is_err());
    }
}
