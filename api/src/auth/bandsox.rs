//! BandSox's `auth.json`.

use serde::Deserialize;
use thiserror::Error;

use super::{db::ImportedKey, password::StoredPassword};

/// What an `auth.json` of BandSox holds, as far as it is taken over. Its session secret is not: sessions are begun
/// anew.
#[derive(Debug)]
pub struct BandsoxAuth {
    /// The admin's password, as its SHA-256 until the first right login.
    pub password: Option<StoredPassword>,
    /// The keys.
    pub keys: Vec<ImportedKey>,
}

/// A file that is not BandSox's `auth.json`.
#[derive(Debug, Error)]
pub enum BandsoxError {
    /// It does not parse.
    #[error("this is not BandSox's auth.json")]
    Json(#[from] serde_json::Error),
    /// A hash is something else.
    #[error("{0} is not a SHA-256 as 64 hex digits")]
    Hash(String),
    /// A name or id is something else.
    #[error("key number {0} has no usable id or name")]
    Key(usize),
}

#[derive(Deserialize)]
struct File {
    admin_password_hash: Option<String>,
    #[serde(default)]
    api_keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    name: String,
    key_hash: String,
    #[serde(default)]
    created_at: f64,
}

impl BandsoxAuth {
    /// Reads the file's text.
    ///
    /// # Errors
    /// See [`BandsoxError`]; nothing of a file with a mistake is taken over.
    pub fn parse(text: &str) -> Result<Self, BandsoxError> {
        let file: File = serde_json::from_str(text)?;
        let password = file.admin_password_hash.as_deref();
        let password = password
            .map(|hash| sha256("admin_password_hash", hash))
            .transpose()?;
        let keys = file.api_keys.into_iter().enumerate();
        Ok(Self {
            password: password.map(StoredPassword::of_bandsox),
            keys: keys
                .map(|(index, key)| imported(index + 1, key))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn imported(number: usize, key: Key) -> Result<ImportedKey, BandsoxError> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let id_is_sound = (1..=63).contains(&key.id.len()) && key.id.bytes().all(is_id);
    let name: String = key
        .name
        .chars()
        .filter(|character| !character.is_control())
        .take(100)
        .collect();
    if !id_is_sound || name.is_empty() {
        return Err(BandsoxError::Key(number));
    }
    Ok(ImportedKey {
        hash: sha256(&format!("key_hash of key number {number}"), &key.key_hash)?,
        id: key.id,
        name,
        // Whole seconds; a time before 1970 or none at all is 1970.
        created_at: key.created_at as u64,
    })
}

fn sha256(what: &str, text: &str) -> Result<[u8; 32], BandsoxError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| BandsoxError::Hash(what.to_owned()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn keys_and_password_are_taken_over_as_their_hashes() {
        let hash = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
        let text = serde_json::json!({
            "admin_password_hash": hash("pw"),
            "session_secret": "00",
            "api_keys": [{"id": "bsx_k_0badcafe", "name": "ci", "key_hash": hash("bsx_1"),
                          "created_at": 1_700_000_000.25, "last_used_at": null}],
        });
        let auth = BandsoxAuth::parse(&text.to_string()).unwrap();
        assert!(auth.password.unwrap().is("pw"));
        assert_eq!(auth.keys[0].created_at, 1_700_000_000);
        assert_eq!(auth.keys[0].hash[..], Sha256::digest(b"bsx_1")[..]);
    }

    #[test]
    fn a_file_with_a_mistake_is_refused_as_a_whole() {
        for text in [
            "",
            "[]",
            r#"{"admin_password_hash":"short"}"#,
            r#"{"api_keys":[{"id":"../x","name":"n","key_hash":"00"}]}"#,
            r#"{"api_keys":[{"id":"x","name":"","key_hash":"00"}]}"#,
            r#"{"api_keys":[{"id":"x","name":"n","key_hash":"00"}]}"#,
        ] {
            assert!(BandsoxAuth::parse(text).is_err(), "{text}");
        }
    }
}
