//! Paths and names of a guest: bytes, as Unix has them.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The longest path that the guest's kernel takes, in bytes (PATH_MAX of limits.h, without its NUL).
pub const MAX_PATH_BYTES: usize = 4095;

/// A path or a name in a guest. The host hands it on and never uses it as a path of its own.
///
/// As JSON it is a string where it is UTF-8, else an object `{"base64": "…"}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPath(pub Vec<u8>);

impl GuestPath {
    /// For people: what is not UTF-8 becomes U+FFFD.
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<&str> for GuestPath {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.lossy(), f)
    }
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    base64: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Wire {
    Text(String),
    Bytes(Encoded),
}

impl Serialize for GuestPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Encoded {
                base64: STANDARD.encode(&self.0),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for GuestPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Wire::deserialize(deserializer)? {
            Wire::Text(text) => Ok(Self(text.into_bytes())),
            Wire::Bytes(Encoded { base64 }) => {
                STANDARD.decode(base64).map(Self).map_err(D::Error::custom)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_travel_as_they_are(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let json = serde_json::to_string(&GuestPath(bytes.clone())).unwrap();
            prop_assert_eq!(serde_json::from_str::<GuestPath>(&json).unwrap().0, bytes);
        }
    }

    #[test]
    fn a_path_that_is_text_reads_as_text() {
        assert_eq!(
            serde_json::to_string(&GuestPath::from("/a b")).unwrap(),
            r#""/a b""#
        );
        let bytes = GuestPath(vec![b'/', 0xff]);
        assert_eq!(
            serde_json::to_string(&bytes).unwrap(),
            r#"{"base64":"L/8="}"#
        );
    }
}
