//! What users note about their VMs and snapshots.

use serde_json::{Map, Value};
use thiserror::Error;

/// The most that metadata may take as JSON, in bytes: 64 KiB.
pub const MAX_METADATA_BYTES: usize = 64 << 10;

/// The one key that is not the users' own: BandSox's surface marks with it which variables of the environment are
/// secret. It goes along into snapshots, restored VMs and forks, and stays whatever replaces the rest.
pub const KEPT_KEY: &str = "bandsox.mcp";

/// A JSON object of at most [`MAX_METADATA_BYTES`]. Thaw keeps it and finds by it, and reads nothing into it but
/// [`KEPT_KEY`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(Map<String, Value>);

/// Metadata that is too large to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("metadata takes {bytes} bytes as JSON; at most {MAX_METADATA_BYTES} are kept")]
pub struct MetadataTooLarge {
    /// What it takes.
    pub bytes: usize,
}

impl Metadata {
    /// Takes an object.
    ///
    /// # Errors
    /// [`MetadataTooLarge`].
    pub fn new(object: Map<String, Value>) -> Result<Self, MetadataTooLarge> {
        // An object of JSON values always serialises; what does not is too large for anything.
        let bytes = serde_json::to_vec(&object).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_METADATA_BYTES {
            return Err(MetadataTooLarge { bytes });
        }
        Ok(Self(object))
    }

    /// The object.
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The object.
    pub fn into_object(self) -> Map<String, Value> {
        self.0
    }

    /// Whether every key of `wanted` is there with an equal value.
    pub fn contains(&self, wanted: &Map<String, Value>) -> bool {
        wanted
            .iter()
            .all(|(key, value)| self.0.get(key) == Some(value))
    }

    /// This with a JSON merge patch (RFC 7396) applied: `null` takes a key away.
    ///
    /// # Errors
    /// [`MetadataTooLarge`].
    pub fn merged(&self, patch: Map<String, Value>) -> Result<Self, MetadataTooLarge> {
        let mut object = self.0.clone();
        merge(&mut object, patch);
        Self::new(object)
    }

    /// What something made of another is noted with: what was given for it, else all that the other had.
    ///
    /// # Errors
    /// [`MetadataTooLarge`].
    pub(crate) fn inherited(given: Option<Self>, before: Self) -> Result<Self, MetadataTooLarge> {
        match given {
            Some(given) => given.in_place_of(&before),
            None => Ok(before),
        }
    }

    /// This in place of what was noted before, of which only [`KEPT_KEY`] stays, as it was.
    ///
    /// # Errors
    /// [`MetadataTooLarge`].
    pub(crate) fn in_place_of(mut self, before: &Self) -> Result<Self, MetadataTooLarge> {
        let Some(kept) = before.0.get(KEPT_KEY) else {
            return Ok(self);
        };
        self.0.insert(KEPT_KEY.to_owned(), kept.clone());
        Self::new(self.0)
    }
}

fn merge(object: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                object.remove(&key);
            }
            Value::Object(inner) => {
                let mut target = match object.remove(&key) {
                    Some(Value::Object(target)) => target,
                    _ => Map::new(),
                };
                merge(&mut target, inner);
                object.insert(key, Value::Object(target));
            }
            value => {
                object.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    fn metadata(value: Value) -> Metadata {
        Metadata::new(object(value)).unwrap()
    }

    #[test]
    fn a_merge_changes_what_it_names_and_null_takes_away() {
        let before = metadata(json!({"a": 1, "b": {"c": 2, "d": 3}, "e": 4}));
        let patch = object(json!({"a": null, "b": {"c": 9}, "f": {"g": null, "h": 1}}));
        let after = before.merged(patch).unwrap();
        assert_eq!(
            after,
            metadata(json!({"b": {"c": 9, "d": 3}, "e": 4, "f": {"h": 1}}))
        );
    }

    #[test]
    fn the_kept_key_stays_as_it_was_whatever_takes_the_place_of_the_rest() {
        let before = metadata(json!({"a": 1, KEPT_KEY: {"s": 1}}));
        let after = metadata(json!({"b": 2, KEPT_KEY: 3})).in_place_of(&before);
        assert_eq!(
            after.unwrap(),
            metadata(json!({"b": 2, KEPT_KEY: {"s": 1}}))
        );
        let after = metadata(json!({"b": 2})).in_place_of(&metadata(json!({"a": 1})));
        assert_eq!(after.unwrap(), metadata(json!({"b": 2})));
        let full = metadata(json!({"b": "x".repeat(MAX_METADATA_BYTES - 10)}));
        assert!(full.in_place_of(&before).is_err());
    }

    #[test]
    fn what_is_found_by_must_be_equal_key_by_key() {
        let held = metadata(json!({"user": "a", "n": 1}));
        assert!(held.contains(&object(json!({}))));
        assert!(held.contains(&object(json!({"n": 1}))));
        assert!(!held.contains(&object(json!({"n": "1"}))));
        assert!(!held.contains(&object(json!({"n": 1, "other": null}))));
    }

    #[test]
    fn what_is_too_large_is_refused_also_when_it_grows_by_a_merge() {
        let half = "x".repeat(MAX_METADATA_BYTES / 2);
        let held = metadata(json!({"a": half}));
        assert!(held.merged(object(json!({"b": half}))).is_err());
        assert!(held.merged(object(json!({"a": half}))).is_ok());
    }
}
