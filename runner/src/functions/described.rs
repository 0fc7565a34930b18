//! A function's own description of its error, as one line.

use serde::Deserialize;

/// How much of a description is looked at; one that is larger is not read.
pub(super) const MOST_BYTES: usize = 64 * 1024;
/// The longest line, in characters.
const MOST_CHARS: usize = 300;

/// As AWS Lambda's runtimes write it.
#[derive(Debug, Deserialize)]
struct Description {
    #[serde(rename = "errorType", default)]
    kind: String,
    #[serde(rename = "errorMessage", default)]
    message: String,
}

/// `TYPE: MESSAGE`, the first line of it; none when it is no description.
pub(super) fn line(described: &[u8]) -> Option<String> {
    let Description { kind, message } = serde_json::from_slice(described).ok()?;
    let whole = match (kind.is_empty(), message.is_empty()) {
        (true, true) => return None,
        (false, true) => kind,
        (true, false) => message,
        (false, false) => format!("{kind}: {message}"),
    };
    let first = whole.trim().lines().next()?;
    let control = |c: char| if c.is_control() { ' ' } else { c };
    Some(first.chars().take(MOST_CHARS).map(control).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::gathered::Gathered;

    fn line(pieces: &[&str]) -> Option<String> {
        let mut described = Gathered::new(MOST_BYTES);
        for piece in pieces {
            described.take(piece.as_bytes());
        }
        super::line(described.whole()?)
    }

    #[test]
    fn type_and_message_are_told_in_one_line() {
        let described = r#"{"errorMessage": "'x'\nand more\u001b", "errorType": "KeyError", "stackTrace": ["a"]}"#;
        let (begin, end) = described.split_at(20);
        assert_eq!(line(&[begin, end]).as_deref(), Some("KeyError: 'x'"));
        let only = line(&[r#"{"errorType": "Boom"}"#]);
        assert_eq!(only.as_deref(), Some("Boom"));
        let control = line(&[r#"{"errorMessage": "a\u001b[0mb"}"#]);
        assert_eq!(control.as_deref(), Some("a [0mb"));
        let long = format!(r#"{{"errorMessage": "{}"}}"#, "x".repeat(1000));
        assert_eq!(line(&[&long]).unwrap().len(), MOST_CHARS);
    }

    #[test]
    fn what_is_no_description_is_told_as_none() {
        for none in ["", "raise", "[]", "{}", r#"{"errorType": 5}"#] {
            assert_eq!(line(&[none]), None, "{none}");
        }
        assert_eq!(line(&[&" ".repeat(MOST_BYTES), "{}"]), None);
    }
}
