//! `KEY=VALUE` of the command line.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

/// Environment variables.
///
/// # Errors
/// An entry without `=`.
pub(super) fn environment(entries: &[String]) -> Result<BTreeMap<String, String>> {
    entries
        .iter()
        .map(|entry| {
            let (name, value) = entry
                .split_once('=')
                .with_context(|| format!("--env {entry:?} is not NAME=VALUE"))?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Metadata: a value that is JSON is kept as such, anything else as text.
///
/// # Errors
/// An entry without `=`.
pub(super) fn metadata(entries: &[String]) -> Result<Map<String, Value>> {
    entries
        .iter()
        .map(|entry| {
            let (key, value) = entry
                .split_once('=')
                .with_context(|| format!("--meta {entry:?} is not KEY=VALUE"))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            Ok((key.to_owned(), value))
        })
        .collect()
}

/// Nothing when there are no entries.
pub(super) fn given<T>(
    entries: &[String],
    read: impl Fn(&[String]) -> Result<T>,
) -> Result<Option<T>> {
    (!entries.is_empty()).then(|| read(entries)).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_json_where_it_can_be_and_text_elsewhere() {
        let entries = ["n=1", "s=one", "o={\"a\":true}", "e=", "q=\"1\"", "x=a=b"];
        let entries: Vec<String> = entries.map(str::to_owned).to_vec();
        let expected = json!({"n": 1, "s": "one", "o": {"a": true}, "e": "", "q": "1", "x": "a=b"});
        assert_eq!(Value::Object(metadata(&entries).unwrap()), expected);
        assert!(metadata(&["no-value".to_owned()]).is_err());
    }

    #[test]
    fn a_variable_needs_its_value() {
        let entries = ["A=1=2".to_owned(), "B=".to_owned()];
        let read = environment(&entries).unwrap();
        assert_eq!((read["A"].as_str(), read["B"].as_str()), ("1=2", ""));
        assert!(environment(&["A".to_owned()]).is_err());
    }
}
